/**
 * @file Setup of the tests: one PostgreSQL server for all files, with an empty database of Krona's that each copies
 * (server-house.ts). The embedded database takes every process 3 s of computing before its first query.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig } from '../../core/config.ts';
import { openStorage } from '../../storage/open.ts';
import { startPostgres } from '../storage/helpers/servers.ts';
import { databaseAt, SERVER, TEMPLATE } from './server-house.ts';

export default async function setup(): Promise<(() => Promise<void>) | undefined> {
  // Another project of the same run has started it.
  if (process.env[SERVER] !== undefined) return undefined;
  const server = await startPostgres();
  const dataFolder = await mkdtemp(join(tmpdir(), 'krona-test-'));
  const url = await databaseAt(server.url, TEMPLATE);
  const storage = await openStorage(await readConfig({ KRONA_DATA: dataFolder, DATABASE_URL: url }));
  await storage.close();
  process.env[SERVER] = server.url;
  return async () => {
    await server.stop();
    await rm(dataFolder, { recursive: true });
  };
}
