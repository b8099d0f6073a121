/** @file Jobs on each database and on Redis. */
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openJobQueue } from '../../storage/jobs/bullmq.ts';
import { until } from '../helpers/until.ts';
import { runJobQueueTests } from './conformance/job-queue.ts';
import { hasRedis, startEmbedded, startPostgres, startRedis, type Server } from './helpers/servers.ts';

/** The client says each once in a process. */
const deprecations: string[] = [];
process.on('warning', ({ name, message }) => {
  if (name === 'DeprecationWarning') deprecations.push(message);
});

const servers = {
  'the embedded database': startEmbedded,
  'a PostgreSQL server': startPostgres,
  ...(hasRedis ? { Redis: startRedis } : {}),
};

// The servers side by side, as these tests wait more than they work; the tests of a server one after the other.
describe.concurrent.each(Object.entries(servers))('jobs on %s', (_name, start) => {
  describe.sequential('', () => {
    let server: Server;
    beforeAll(async () => {
      server = await start();
    });
    afterAll(() => server?.stop());
    runJobQueueTests(
      (version) => openJobQueue(server.url, () => {}, version),
      () => server.url,
    );
  });
});

if (!hasRedis) it.skip('jobs on Redis: skipped, as this machine has no redis-server');

it('report an unreachable Redis without its password', async () => {
  const opening = openJobQueue('redis://:topsecret@127.0.0.1:1', () => {});
  await expect(opening).rejects.toMatchObject({ code: 'REDIS_UNAVAILABLE', retryable: true });
  await expect(opening).rejects.not.toThrow(/topsecret/);
});

describe('a worker', () => {
  let server: Server;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server?.stop());

  const work = async (onError: (error: Error) => void) => {
    const queue = await openJobQueue(server.url, onError);
    const ran: string[] = [];
    await queue.work('imagine', async ({ id }) => void ran.push(id));
    await queue.work('train', async ({ id }) => void ran.push(id));
    return { queue, ran };
  };

  it('of each kind listens beside the others, without a warning of the client', async () => {
    const { queue, ran } = await work(() => {});
    try {
      await queue.work('sweep', async ({ id }) => void ran.push(id));
      // A worker that has run a job listens for the next one.
      for (const id of ['one', 'two']) {
        await queue.enqueue('imagine', id, { setId: id });
        await queue.enqueue('train', id, { runId: id });
        await queue.enqueue('sweep', id, { runId: id });
        await until(() => ran.filter((each) => each === id).length === 3, 'a job of each kind');
      }
    } finally {
      await queue.close();
    }
    expect(deprecations).toEqual([]);
  });

  it('asks a refusing database only now and then, and runs jobs once it accepts', async () => {
    const errors: Error[] = [];
    const { queue, ran } = await work((error) => errors.push(error));
    const client = new pg.Client({ connectionString: server.url });
    await client.connect();
    try {
      await client.query('ALTER TABLE public.job RENAME TO hidden');
      await until(() => errors.length > 0, 'the first error');
      // A worker without a pause would fail about as often as this client asks.
      for (let n = 0; n < 500; n++) await client.query('SELECT 1');
      expect(errors.length).toBeLessThan(20);
      await client.query('ALTER TABLE public.hidden RENAME TO job');
      await queue.enqueue('train', 'late', { runId: 'late' });
      await until(() => ran.includes('late'), 'the job');
    } finally {
      await client.end();
      await queue.close();
    }
  });

  it('needs two connections, and listens again when it has lost them', async () => {
    const { queue, ran } = await work(() => {});
    const client = new pg.Client({ connectionString: server.url });
    await client.connect();
    const others = "FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'";
    try {
      for (const round of [1, 2]) {
        const ids = Array.from({ length: 10 }, (_, n) => `${round}-${n}`);
        for (const id of ids) {
          const kind = id.endsWith('0') ? 'train' : 'imagine';
          // A connection that was just cut can fail one more question.
          const added = () =>
            queue.enqueue(kind, id, { runId: id, setId: id }).then(
              () => true,
              () => false,
            );
          await until(added, 'a job in the queue');
        }
        await until(() => ids.every((id) => ran.includes(id)), 'all jobs');
        const { rows } = await client.query<{ count: string }>(`SELECT count(*) ${others}`);
        expect(Number(rows[0]?.count)).toBeLessThanOrEqual(2);
        if (round === 1) await client.query(`SELECT pg_terminate_backend(pid) ${others}`);
      }
    } finally {
      await client.end();
      await queue.close();
    }
  });
});
