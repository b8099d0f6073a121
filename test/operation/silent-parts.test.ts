/** Monitoring while a part does not answer, and what strangers ask it. */
import { request } from 'node:http';
import { afterEach, expect, it, vi } from 'vitest';
import { serveStatus } from '../../operation/status-server.ts';

vi.mock('node:timers/promises', () => import('../helpers/timers-promises.ts'));

afterEach(() => {
  vi.useRealTimers();
});

const log = { info: () => {}, warn: () => {}, error: () => {} };

it('answers any path, and asks a part that does not answer only once, however many ask', async () => {
  let [asked, collected] = [0, 0];
  const silent = new Promise<void>(() => {});
  const status = await serveStatus(
    { host: '127.0.0.1', port: 0 },
    {
      checks: { database: () => (asked++, silent) },
      collect: () => (collected++, silent),
      log,
    },
  );
  const { port } = new URL(status.address);
  const raw = (path: string) =>
    new Promise<number | undefined>((resolve, reject) => {
      request({ host: '127.0.0.1', port, path }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .on('error', reject)
        .end();
    });
  for (const path of ['//', '//[', '/%', '/?%', '*']) expect([path, await raw(path)]).toEqual([path, 404]);
  vi.useFakeTimers({ toFake: ['setTimeout'] });
  const answers = Promise.all([raw('/readyz'), raw('/metrics'), raw('/readyz'), raw('/metrics')]);
  const done = answers.then(() => true);
  while (!(await Promise.race([done, new Promise<false>((resolve) => setImmediate(resolve, false))])))
    await vi.advanceTimersByTimeAsync(1000);
  expect(await answers).toEqual([503, 200, 503, 200]);
  expect([asked, collected]).toEqual([1, 1]);
  await status.close();
});
