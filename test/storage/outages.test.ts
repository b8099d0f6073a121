/** Servers without a free connection, read-only, or gone: stable codes, no endless waiting, and work that goes on after. */
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { openJobQueue } from '../../storage/jobs/bullmq.ts';
import { openRecords } from '../../storage/postgres/record-store.ts';
import { putClockForward } from '../helpers/clock.ts';
import { until } from '../helpers/until.ts';
import { hasRedis, startPostgres, startRedis, type Server } from './helpers/servers.ts';

const CONNECTIONS = 8;
const silent = () => {};

describe(`a PostgreSQL server with ${CONNECTIONS} connections`, () => {
  let server: Server;
  beforeAll(async () => {
    server = await startPostgres({ connections: CONNECTIONS });
  });
  afterAll(() => server.stop());
  afterEach(() => {
    vi.restoreAllMocks();
  });

  /** Takes every connection as somebody else, also those of Krona. */
  async function takeAll(): Promise<pg.Client[]> {
    const taken: pg.Client[] = [];
    for (;;) {
      const client = new pg.Client({ connectionString: server.url, application_name: 'somebody' });
      client.on('error', silent);
      try {
        await client.connect();
      } catch {
        const others = "backend_type = 'client backend' AND application_name <> 'somebody'";
        await taken[0]?.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${others}`);
        continue;
      }
      taken.push(client);
      if (taken.length === CONNECTIONS) return taken;
    }
  }
  const release = (clients: readonly pg.Client[]) => Promise.all(clients.map((client) => client.end()));
  const asAdmin = async (...statements: string[]) => {
    const client = new pg.Client({ connectionString: server.url });
    await client.connect();
    for (const statement of statements) await client.query(statement);
    await client.end();
  };

  it('is enough for a bot and a worker', async () => {
    const parts = [];
    for (const isWorker of [false, true]) {
      const records = await openRecords(server.url, silent);
      const jobs = await openJobQueue(server.url, silent);
      parts.push(records, jobs);
      if (isWorker) await jobs.work('imagine', async () => {});
      await Promise.all(
        Array.from({ length: 20 }, () => records.transaction((within) => within.modelCard())),
      );
      await Promise.all(
        Array.from({ length: 20 }, (_, n) => jobs.enqueue('imagine', `${isWorker} ${n}`, { setId: 'a' })),
      );
    }
    await Promise.all(parts.map((part) => part.close()));
  });

  it('whose connections are all in use is waited for, and named if that lasts', async () => {
    const records = await openRecords(server.url, silent);
    const taken = await takeAll();
    const waiting = records.modelCard();
    const opening = openJobQueue(server.url, silent);
    await release(taken);
    expect(await waiting).toBeNull();
    await (await opening).close();

    const again = await takeAll();
    const refused = expect(records.modelCard()).rejects.toMatchObject({
      code: 'DATABASE_BUSY',
      retryable: true,
    });
    putClockForward(60_000);
    await refused;
    await release(again);
    await records.close();
  });

  it('that is read-only is reported as such', async () => {
    const records = await openRecords(server.url, silent);
    await records.check();
    await asAdmin('ALTER SYSTEM SET default_transaction_read_only = on', 'SELECT pg_reload_conf()');
    const writable = () =>
      records.check().then(
        () => null,
        (error: { code: string }) => error.code,
      );
    await until(async () => (await writable()) === 'DATABASE_READ_ONLY', 'a read-only database');
    await expect(records.channel('web', 'general', 'general')).rejects.toMatchObject({
      code: 'DATABASE_READ_ONLY',
      retryable: true,
    });
    await asAdmin(
      'SET default_transaction_read_only = off',
      'ALTER SYSTEM RESET default_transaction_read_only',
      'SELECT pg_reload_conf()',
    );
    await until(async () => (await writable()) === null, 'a database that can be written');
    await records.channel('web', 'general', 'general');
    await records.close();
  });
});

it.skipIf(!hasRedis)(
  'a Redis server that is away fails questions at once, and is used again when it is back',
  async () => {
    let server = await startRedis();
    const errors: unknown[] = [];
    const jobs = await openJobQueue(server.url, (error) => errors.push(error));
    const ran: string[] = [];
    await jobs.work('imagine', async ({ id }) => void ran.push(id));
    await server.stop();
    await until(() => errors.length > 0, 'the loss');
    const lost = { code: 'REDIS_UNAVAILABLE', retryable: true };
    await expect(jobs.check()).rejects.toMatchObject(lost);
    await expect(jobs.enqueue('imagine', 'a', { setId: 'a' })).rejects.toMatchObject(lost);
    // Cards are shown all the same.
    expect(await jobs.position('imagine', 'a')).toBeNull();
    for (const error of errors) expect(error).toMatchObject(lost);
    server = await startRedis(Number(new URL(server.url).port));
    await until(
      () =>
        jobs.enqueue('imagine', 'b', { setId: 'b' }).then(
          () => true,
          () => false,
        ),
      'a job',
    );
    await until(() => ran.includes('b'), 'the job to run');
    await jobs.close();
    await server.stop();
  },
);
