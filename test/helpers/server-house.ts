/** @file Krona's storage for one test file on the PostgreSQL server of postgres-server.ts: a database of its own. */
import { randomUUID } from 'node:crypto';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { houseIn, openHouse, type TestHouse } from './house.ts';

/** The variable with the server's address. */
export const SERVER = 'KRONA_TEST_POSTGRES';
/** The database that has Krona's tables, and nothing in them. */
export const TEMPLATE = 'krona_empty';

/**
 * Opens a house whose database a server has; where no server was started, as for the pictures of the docs, an embedded one.
 *
 * @param environment - what the configuration is read from, beside the data folder and the database
 */
export async function openServerHouse(
  environment: Readonly<Record<string, string>> = {},
): Promise<TestHouse> {
  const server = process.env[SERVER];
  if (server === undefined) return openHouse(environment);
  const database = await databaseAt(server, `krona_${randomUUID().replaceAll('-', '')}`, TEMPLATE);
  const dataFolder = await mkdtemp(join(tmpdir(), 'krona-test-'));
  return houseIn(dataFolder, { DATABASE_URL: database, ...environment });
}

/** Creates a database on a server. @returns its address */
export async function databaseAt(server: string, name: string, template = 'template1'): Promise<string> {
  const client = new pg.Client(server);
  await client.connect();
  await client.query(`create database ${name} template ${template}`);
  await client.end();
  return server.replace('///postgres?', `///${name}?`);
}
