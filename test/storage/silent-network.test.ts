/**
 * A network that drops connections without a word, such as a firewall that starts again: what waits for an answer fails, and
 * what follows works, long before the system gives such a connection up.
 */
import { expect, it, vi } from 'vitest';
import { openJobQueue } from '../../storage/jobs/bullmq.ts';
import { inspectRedis } from '../../storage/jobs/inspect-redis.ts';
import { openRecords } from '../../storage/postgres/record-store.ts';
import { startSilentProxy } from './helpers/silent-proxy.ts';
import { hasRedis, startPostgres, startRedis } from './helpers/servers.ts';

// As in a time that passes 30 times as fast.
vi.mock('../../storage/patience.ts', () => ({
  CONNECTING: 1_000,
  STATEMENT: 2_000,
  LONG_STATEMENT: 120_000,
  QUEUE: 2_000,
  KEEP_ALIVE: 10_000,
}));

const silent = () => {};
const tell = (answer: Promise<unknown>): Promise<string> =>
  answer.then(
    () => 'ok',
    (error: { code?: string }) => error.code ?? 'an error without a code',
  );

it('does not hold records and the queue in PostgreSQL', async () => {
  const server = await startPostgres();
  const folder = new URL(server.url.replace('///', '//x/')).searchParams.get('host')!;
  const proxy = await startSilentProxy({ path: `${folder}/.s.PGSQL.5432` });
  const url = `postgres://postgres@127.0.0.1:${proxy.port}/postgres`;
  const records = await openRecords(url, silent);
  const jobs = await openJobQueue(url, silent);
  await jobs.check();
  proxy.cut();
  const away = 'DATABASE_UNAVAILABLE';
  expect(await tell(records.modelCard())).toBe(away);
  expect(await tell(records.transaction((within) => within.modelCard()))).toBe(away);
  expect(await tell(jobs.check())).toBe(away);
  proxy.heal();
  expect(await tell(records.transaction((within) => within.modelCard()))).toBe('ok');
  expect(await tell(jobs.check())).toBe('ok');
  await jobs.close();
  await records.close();
  await proxy.stop();
  await server.stop();
});

it.skipIf(!hasRedis)('does not hold the queue in Redis, its start, or a look at it', async () => {
  const server = await startRedis();
  const proxy = await startSilentProxy({ host: '127.0.0.1', port: Number(new URL(server.url).port) });
  const url = `redis://127.0.0.1:${proxy.port}`;
  const jobs = await openJobQueue(url, silent);
  await jobs.check();
  proxy.cut();
  const away = 'REDIS_UNAVAILABLE';
  expect(await tell(jobs.check())).toBe(away);
  // Cards are shown all the same.
  expect(await jobs.position('imagine', 'a')).toBeNull();
  expect(await tell(openJobQueue(url, silent))).toBe(away);
  expect(await tell(inspectRedis(url))).toBe(away);
  proxy.heal();
  await vi.waitFor(() => jobs.check(), { timeout: 30_000, interval: 100 });
  await jobs.close();
  await proxy.stop();
  await server.stop();
});
