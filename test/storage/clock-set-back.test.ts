/** A job that pauses by a clock that is then set back starts all the same. */
import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { KronaError } from '../../core/errors.ts';
import { openJobQueue } from '../../storage/jobs/bullmq.ts';
import { skipTime } from '../helpers/clock.ts';
import { until } from '../helpers/until.ts';
import { hasRedis, startPostgres, startRedis } from './helpers/servers.ts';

const HOUR = 3600_000;

afterEach(() => {
  vi.restoreAllMocks();
});

describe.each([
  ['a PostgreSQL server', true, startPostgres],
  ['Redis', hasRedis, startRedis],
])('the queue on %s', (_, possible, start) => {
  it.skipIf(!possible)('starts a job whose pause ends in an hour', async () => {
    const server = await start();
    const jobs = await openJobQueue(server.url, () => {});
    const id = randomUUID();
    const attempts: number[] = [];
    const realNow = Date.now.bind(Date);
    await jobs.work('imagine', async ({ attempt }) => {
      attempts.push(attempt);
      if (attempts.length > 1) return;
      vi.spyOn(Date, 'now').mockImplementation(() => realNow() + HOUR);
      throw new KronaError('DATABASE_UNAVAILABLE', 'away', { retryable: true });
    });
    await jobs.enqueue('imagine', id, { setId: id });
    await until(
      async () => attempts.length === 1 && (await jobs.state('imagine', id)) === 'waiting',
      'a pause',
    );
    vi.restoreAllMocks();
    await jobs.hasten();
    // It pauses by the true clock for less than that.
    expect(attempts).toEqual([1]);
    skipTime(120_000);
    await jobs.hasten();
    await until(async () => (await jobs.state('imagine', id)) === 'completed', 'its second start');
    expect(attempts).toEqual([1, 2]);
    await jobs.close();
    await server.stop();
  });
});
