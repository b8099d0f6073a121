/**
 * A network that drops connections without a word, such as a firewall that starts again: what waits for an answer fails, and
 * what follows works, long before the system gives such a connection up.
 */
import { afterEach, expect, it, vi } from 'vitest';
import { openJobQueue } from '../../storage/jobs/bullmq.ts';
import { inspectRedis } from '../../storage/jobs/inspect-redis.ts';
import { openRecords } from '../../storage/postgres/record-store.ts';
import { startSilentProxy } from './helpers/silent-proxy.ts';
import { hasRedis, startPostgres, startRedis } from './helpers/servers.ts';

afterEach(() => {
  vi.useRealTimers();
});

const silent = () => {};
const tell = (answer: Promise<unknown>): Promise<string> =>
  answer.then(
    () => 'ok',
    (error: { code?: string }) => error.code ?? 'an error without a code',
  );

/** The outcome of a question, with time passing as fast as it can. */
async function afterTime(question: () => Promise<unknown>): Promise<string> {
  vi.useFakeTimers({ toFake: ['setTimeout'] });
  const answer = tell(question());
  // Some minutes.
  for (let n = 0; n < 1500; n++) {
    const ended = await Promise.race([
      answer.then(() => true),
      new Promise<false>((resolve) => setImmediate(resolve, false)),
    ]);
    if (ended) break;
    await vi.advanceTimersByTimeAsync(100);
  }
  vi.useRealTimers();
  return Promise.race([answer, new Promise<string>((resolve) => setImmediate(resolve, 'no answer'))]);
}

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
  expect(await afterTime(() => records.modelCard())).toBe(away);
  expect(await afterTime(() => records.transaction((within) => within.modelCard()))).toBe(away);
  expect(await afterTime(() => jobs.check())).toBe(away);
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
  expect(await afterTime(() => jobs.check())).toBe(away);
  // Cards are shown all the same.
  expect(await jobs.position('imagine', 'a')).toBeNull();
  expect(await afterTime(() => openJobQueue(url, silent))).toBe(away);
  expect(await afterTime(() => inspectRedis(url))).toBe(away);
  proxy.heal();
  await vi.waitFor(() => jobs.check(), { timeout: 30_000, interval: 100 });
  await jobs.close();
  await proxy.stop();
  await server.stop();
});
