/** Limits that Discord's library would not survive: longer than a timer can be set, or with the clock set back. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { Routes } from 'discord.js';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { BotRest } from '../../bot/discord/connection.ts';
import { until } from '../helpers/until.ts';

let server: Server;
let address: string;
let rest: BotRest;
let requests: number;
let answer: { status: number; headers: Record<string, string> };
beforeEach(async () => {
  requests = 0;
  server = createServer((request, response) => {
    if (request.headers.authorization !== undefined) requests += 1;
    response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers }).end('{}');
  }).listen(0);
  await once(server, 'listening');
  address = `http://localhost:${(server.address() as AddressInfo).port}/api`;
  rest = new BotRest({ token: 'token', shards: null, api: address });
});
afterEach(() => {
  vi.useRealTimers();
  rest.end();
  server.close();
  server.closeAllConnections();
});

const ask = () => rest.ask('get', Routes.user('1'));

it.each([
  ['retry-after of a year', { status: 429, headers: { 'retry-after': '31536000' } }],
  ['a negative retry-after', { status: 429, headers: { 'retry-after': '-5' } }],
  ['an endless retry-after', { status: 429, headers: { 'retry-after': 'Infinity' } }],
  [
    'a reset in a year',
    { status: 200, headers: { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset-after': '31536000' } },
  ],
])('are waited for with %s', async (_, given) => {
  answer = given;
  const asked = [ask(), ask()].map((each) => each.catch(() => undefined));
  await until(() => requests > 0, 'a request');
  const limited: number[] = [];
  rest.on('rateLimited', ({ timeToReset }) => limited.push(timeToReset));
  // A library without a pause would ask about as often as this client; pauses without a stated time begin with 1 s.
  for (let n = 0; n < 100; n++) await (await fetch(address)).text();
  expect(requests).toBeLessThan(10);
  expect(limited.length).toBeLessThan(5);
  rest.end();
  await Promise.all(asked);
});

it('end in time even if the clock was set back', async () => {
  answer = { status: 200, headers: { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset-after': '1' } };
  await ask();
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - 3_600_000 });
  await ask();
  expect(requests).toBe(2);
});
