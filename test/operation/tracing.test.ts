/** Traces: what a member asks for, what a worker does and what is shown are one trace, at a collector. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, afterEach, expect, it, vi } from 'vitest';
import { startBot } from '../../bot/main.ts';
import { traced } from '../../core/tracing.ts';
import { KronaError } from '../../core/errors.ts';
import { measured } from '../../gpu-worker/jobs/measured.ts';
import { startTracing } from '../../operation/tracing.ts';
import { PlayedWorker, sprite } from '../bot/world.ts';
import { openHouse } from '../helpers/house.ts';
import { until } from '../helpers/until.ts';

vi.mock('node:timers/promises', () => import('../helpers/timers-promises.ts'));

interface Span {
  readonly traceId: string;
  readonly name: string;
  readonly status: { readonly code?: number; readonly message?: string };
}

const log = { info: () => {}, warn: () => {}, error: () => {} };
const spans: Span[] = [];
let endless = false;
const collector = createServer((request, response) => {
  let body = '';
  request.setEncoding('utf8').on('data', (part: string) => (body += part));
  request.on('end', () => {
    const sent = JSON.parse(body) as { resourceSpans: { scopeSpans: { spans: Span[] }[] }[] };
    spans.push(...sent.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)));
    response.writeHead(200, { 'content-type': 'application/json' });
    if (endless) setInterval(() => response.write(' '), 500).unref();
    else response.end('{}');
  });
});

afterEach(() => vi.unstubAllEnvs());
afterAll(() => collector.close());

it('a set is one trace from the message to the picture and back, by its id', async () => {
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
  const { port } = collector.address() as AddressInfo;
  vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', `http://127.0.0.1:${port}/`);
  const stopTracing = await startTracing('bot');
  const house = await openHouse();
  const bot = await startBot(house.storage, house.config, { log });
  const json = (path: string, body: object, cookie = '') =>
    fetch(`${bot.address}/api${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', cookie },
      body: JSON.stringify(body),
    });
  const named = await json('/me', { name: 'Ada' });
  const cookie = named.headers.get('set-cookie')!.split(';')[0]!;
  const line = { id: crypto.randomUUID(), text: '/krona imagine a cat count:1', uploads: [] };
  await json('/channels/general/messages', line, cookie);
  const worker = new PlayedWorker(house.storage);
  const set = await worker.set();
  const { records } = house.storage;
  const draw = measured(
    'imagine',
    async () => {
      await worker.draw(set, [await sprite('cat', '#fff')]);
    },
    { records, log },
  );
  const { signal } = new AbortController();
  await draw({
    id: set.id,
    payload: { setId: set.id },
    attempt: 1,
    crashes: 0,
    lastTry: false,
    advance: async () => {},
    signal,
  });
  await until(async () => (await records.postOf(set.id))?.messageId, 'the message');
  // A collector whose answer never ends does not hold the process.
  endless = true;
  const refused = traced(set.id, 'broken', () => Promise.reject(new KronaError('ENGINE_DIED', 'a secret')));
  await expect(refused).rejects.toThrow();
  await bot.stop();
  await house.close();
  // Sends the rest.
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const stopped = stopTracing();
  while (!spans.some(({ name }) => name === 'broken')) await nextTurn();
  vi.advanceTimersByTime(3_000);
  await stopped;
  vi.useRealTimers();
  collector.closeAllConnections();
  const own = spans.filter(({ traceId }) => traceId === set.id.replaceAll('-', ''));
  const names = new Set(own.map(({ name }) => name));
  expect([...names]).toEqual(expect.arrayContaining(['request', 'enqueue', 'wait', 'job', 'show']));
  // A code, and no message.
  expect(own.find(({ name }) => name === 'broken')?.status).toEqual({ code: 2, message: 'ENGINE_DIED' });
});

it('without a collector, spans are nothing', async () => {
  const before = spans.length;
  await (
    await startTracing('worker')
  )();
  expect(await traced(crypto.randomUUID(), 'job', () => Promise.resolve(7))).toBe(7);
  expect(spans.length).toBe(before);
});
