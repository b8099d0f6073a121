/** What monitoring sees of a bot: alive, ready or not, and figures; and that the dashboard asks for figures that exist. */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bot, startBot } from '../../bot/main.ts';
import { registry } from '../../core/metrics.ts';
import { serveStatus } from '../../operation/status-server.ts';
import { KronaError } from '../../core/errors.ts';
import type { WorkerFacts } from '../../core/workers.ts';
import { openHouse, type TestHouse } from '../helpers/house.ts';
import { until } from '../helpers/until.ts';

const log = { info: () => {}, warn: () => {}, error: () => {} };

let house: TestHouse;
let bot: Bot;
beforeAll(async () => {
  house = await openHouse({ KRONA_STATUS_PORT: '0' });
  bot = await startBot(house.storage, house.config, { log });
});
afterAll(async () => {
  await bot.stop();
  await house.close();
});

const WORKER: WorkerFacts = {
  id: randomUUID(),
  host: 'a',
  version: '1',
  device: 'cpu',
  memory: 1,
  models: ['krona-emoji'],
  adapters: [],
  doing: [],
  state: 'working',
};

const ask = (path: string) => fetch(`${bot.statusAddress}${path}`);
const metrics = async () => (await ask('/metrics')).text();

describe('a bot with KRONA_STATUS_PORT', () => {
  it('is alive and ready, on this machine only, and apart from the chat', async () => {
    expect(bot.statusAddress).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect([(await ask('/healthz')).status, await (await ask('/healthz')).text()]).toEqual([200, 'ok\n']);
    const ready = await ask('/readyz?without=worker');
    expect([ready.status, await ready.json()]).toEqual([
      200,
      { ready: true, parts: { database: 'ok', queue: 'ok', blobs: 'ok', web: 'ok' } },
    ]);
    const { records } = house.storage;
    const state = async (): Promise<unknown> => {
      const { status } = await ask('/readyz');
      const { parts } = (await (await ask('/readyz')).json()) as { parts: Record<string, string> };
      return [status, parts['worker']];
    };
    expect(await state()).toEqual([503, 'NO_WORKER']);
    await records.saveWorker(WORKER);
    expect(await state()).toEqual([200, 'ok']);
    await records.drainWorkers([WORKER.id]);
    expect(await state()).toEqual([503, 'NO_WORKER']);
    for (const path of ['/healthz', '/readyz', '/metrics'])
      expect((await fetch(bot.address + path)).status).toBe(404);
    expect((await ask('/')).status).toBe(404);
    expect((await fetch(`${bot.statusAddress}/metrics`, { method: 'POST' })).status).toBe(404);
  });

  it('counts commands by how they end, errors by code, and jobs that wait', async () => {
    const json = (path: string, body: object, cookie = '') =>
      fetch(`${bot.address}/api${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', cookie },
        body: JSON.stringify(body),
      });
    const named = await json('/me', { name: 'Ada' });
    const cookie = named.headers.get('set-cookie')!.split(';')[0]!;
    const say = (text: string) =>
      json('/channels/general/messages', { id: crypto.randomUUID(), text, uploads: [] }, cookie);
    await say('/krona help');
    await say('/krona imagine a cat');
    await say('/krona photos list subject:nobody');
    await json('/channels/nowhere/messages', { id: crypto.randomUUID(), text: 'hi', uploads: [] }, cookie);
    const text = await until(async () => {
      const now = await metrics();
      const seen = [
        'krona_queue_jobs{kind="imagine",state="queued"} 1',
        'krona_queue_jobs{kind="pull",state="running"} 0',
        'command="photos"',
        'command="help"',
      ];
      return seen.every((part) => now.includes(part)) ? now : null;
    }, 'the commands in the figures');
    expect(text).toMatch(/krona_command_seconds_count\{.*command="help",outcome="done".*\} 1/);
    expect(text).toMatch(/krona_command_seconds_count\{.*command="photos",outcome="refused".*\} 1/);
    expect(text).toContain('krona_errors_total{part="web",code="SUBJECT_UNKNOWN"} 1');
    expect(text).toMatch(/krona_acknowledge_seconds_count\{platform="web"\} [3-9]/);
    expect(text).toContain('krona_errors_total{part="http",code="CHANNEL_UNKNOWN"} 1');
    expect(text).toMatch(/krona_disk_bytes\{part="free"\} [1-9]/);
    expect(text).toContain('krona_ready{check="database"} 1');
    expect(text).toMatch(/krona_info\{part="bot",version="[\d.]+"/);
  });
});

it('names the part that does not work, without its message', async () => {
  const status = await serveStatus(
    { host: '127.0.0.1', port: 0 },
    {
      checks: {
        database: async () => {
          throw new KronaError('DATABASE_UNAVAILABLE', 'postgres://user:hush@host is away');
        },
        queue: async () => {},
      },
      collect: async () => {},
      log,
    },
  );
  const ready = await fetch(`${status.address}/readyz`);
  expect([ready.status, await ready.json()]).toEqual([
    503,
    { ready: false, parts: { database: 'DATABASE_UNAVAILABLE', queue: 'ok' } },
  ]);
  expect((await fetch(`${status.address}/readyz?without=database`)).status).toBe(200);
  expect((await fetch(`${status.address}/healthz`)).status).toBe(200);
  expect(await (await fetch(`${status.address}/metrics`)).text()).toContain(
    'krona_ready{check="database"} 0',
  );
  await status.close();
});

it('the dashboard asks only for figures that exist', async () => {
  const dashboard = await readFile(new URL('../../deploy/grafana/krona.json', import.meta.url), 'utf8');
  const { panels } = JSON.parse(dashboard) as { panels: { targets?: { expr: string }[] }[] };
  const asked = panels.flatMap(({ targets = [] }) => targets.flatMap(({ expr }) => namesIn(expr)));
  const known = registry.getMetricsAsArray().map(({ name }) => name);
  expect(asked.length).toBeGreaterThan(15);
  expect(asked.filter((name) => !known.includes(name))).toEqual([]);
  // Every figure of Krona's own is shown.
  expect(known.filter((name) => name.startsWith('krona_') && !asked.includes(name))).toEqual([]);
});

/** Names of metrics in an expression: what Prometheus adds to a histogram's name is left out. */
const namesIn = (expression: string): string[] =>
  [...expression.matchAll(/\b(?:krona|process|nodejs)_\w+/g)].map(([name]) =>
    name.replace(/_(bucket|count|sum)$/, ''),
  );
