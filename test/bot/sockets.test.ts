/** Pages that went away without a word are let go, those that are there stay connected. */
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import type { ServerMessage } from '../../bot/web/protocol.ts';
import { until } from '../helpers/until.ts';
import { boundedSend, watchSockets } from '../../bot/web/sockets.ts';

/** Longer than the pause between two looks, ms. */
const LOOK = 30_000;

let server: WebSocketServer;
let stop: () => void;
const clients: WebSocket[] = [];

beforeEach(async () => {
  // Only what it looks by: the sockets are real.
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  stop = watchSockets(server);
});
afterEach(async () => {
  vi.useRealTimers();
  stop();
  for (const client of clients.splice(0)) client.terminate();
  await new Promise((resolve) => server.close(resolve));
});

/** A page, the bytes it sends, and the server's end of its connection. */
async function connect(options: { readonly autoPong?: boolean } = {}) {
  const { port } = server.address() as AddressInfo;
  const client = new WebSocket(`ws://127.0.0.1:${port}`, options);
  clients.push(client);
  const [[here], [{ socket: wire }]] = (await Promise.all([
    once(server, 'connection'),
    once(client, 'upgrade'),
    once(client, 'open'),
  ])) as [[WebSocket], [IncomingMessage], unknown];
  return { client, here, wire };
}

it('a page that answers stays connected', async () => {
  const { client, here } = await connect();
  for (let looks = 0; looks < 4; looks++) {
    const answered = once(here, 'pong');
    vi.advanceTimersByTime(LOOK);
    await answered;
  }
  expect([client.readyState, here.readyState]).toEqual([WebSocket.OPEN, WebSocket.OPEN]);
});

it("only a page that doesn't answer is disconnected at the next check", async () => {
  const [silent, live] = [await connect({ autoPong: false }), await connect()];
  const [asked, answered] = [once(silent.client, 'ping'), once(live.here, 'pong')];
  vi.advanceTimersByTime(LOOK);
  await Promise.all([asked, answered]);
  expect(silent.here.readyState).toBe(WebSocket.OPEN);
  const gone = once(silent.here, 'close');
  vi.advanceTimersByTime(LOOK);
  await gone;
  expect(live.here.readyState).toBe(WebSocket.OPEN);
  expect(server.clients.size).toBe(1);
});

it('a page that breaks the protocol is disconnected, and the server continues', async () => {
  const { here, wire } = await connect();
  const gone = new Promise((resolve) => here.once('close', resolve));
  wire.write(Buffer.from([0xff, 0xff]));
  await gone;
  await connect();
  expect(server.clients.size).toBe(1);
});

it('on stop, every page learns that the bot restarts', async () => {
  const [one, other] = [await connect(), await connect()];
  const told = Promise.all([once(one.client, 'close'), once(other.client, 'close')]);
  stop();
  for (const [code, reason] of await told) expect([code, String(reason)]).toEqual([1001, 'restarting']);
  expect(vi.getTimerCount()).toBe(0);
});

it("a page that doesn't read is disconnected before its backlog grows; a slow one isn't", async () => {
  const [lazy, slow] = [await connect(), await connect()];
  lazy.client.pause();
  const gone = once(lazy.here, 'close');
  const text = 'x'.repeat(64 * 1024);
  const message: ServerMessage = { type: 'activity', channelId: text };
  const send = { lazy: boundedSend(lazy.here, server.clients), slow: boundedSend(slow.here, server.clients) };
  let most = 0;
  for (let sent = 0; sent < 800; sent++) {
    send.lazy(message);
    most = Math.max(most, lazy.here.bufferedAmount);
    const read = once(slow.client, 'message');
    send.slow(message);
    await read;
  }
  await gone;
  expect(most).toBeLessThan(8 * 1024 * 1024);
  expect(slow.here.readyState).toBe(WebSocket.OPEN);
});

it('pages that do not read share a limit, and one that reads stays', async () => {
  const lazy: Awaited<ReturnType<typeof connect>>[] = [];
  while (lazy.length < 60) lazy.push(await connect());
  const live = await connect();
  for (const { client } of lazy) client.pause();
  const text = 'x'.repeat(1024 * 1024);
  let most = 0;
  for (let round = 0; round < 12; round++) {
    for (const { here } of [...lazy, live])
      boundedSend(here, server.clients)({ type: 'activity', channelId: text });
    const waiting = [...server.clients].reduce((sum, { bufferedAmount }) => sum + bufferedAmount, 0);
    most = Math.max(most, waiting);
    await once(live.client, 'message');
  }
  expect(most).toBeLessThan(72 * 1024 * 1024);
  expect(live.here.readyState).toBe(WebSocket.OPEN);
});

it('one address has a limited number of connections', async () => {
  const { port } = server.address() as AddressInfo;
  const closed: number[] = [];
  const opened = Array.from({ length: 270 }, () => {
    const client = new WebSocket(`ws://127.0.0.1:${port}`);
    client.on('close', (code) => closed.push(code));
    return client;
  });
  clients.push(...opened);
  await until(() => closed.length === 20, 'twenty that are refused');
  expect(new Set(closed)).toEqual(new Set([1013]));
  await until(() => server.clients.size === 250, 'the others to be the ones that are left');
});
