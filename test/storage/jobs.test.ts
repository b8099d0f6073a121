/** @file Jobs on each database and on Redis. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openJobQueue } from '../../storage/jobs/bullmq.ts';
import { runJobQueueTests } from './conformance/job-queue.ts';
import { hasRedis, startEmbedded, startPostgres, startRedis, type Server } from './helpers/servers.ts';

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
      () => openJobQueue(server.url, () => {}),
      () => server.url,
    );
  });
});

if (!hasRedis) it.skip('jobs on Redis: this machine has no redis-server');

it('say so when Redis cannot be reached, without its password', async () => {
  const opening = openJobQueue('redis://:topsecret@127.0.0.1:1', () => {});
  await expect(opening).rejects.toMatchObject({ code: 'REDIS_UNAVAILABLE', retryable: true });
  await expect(opening).rejects.not.toThrow(/topsecret/);
});
