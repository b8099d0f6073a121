import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { linkExpiry, parseRange } from '../../bot/files.ts';
import { type Bot, startBot } from '../../bot/main.ts';
import { Uploads } from '../../bot/uploads.ts';
import { signLink } from '../../storage/links.ts';
import type { TestHouse } from '../helpers/house.ts';
import { openServerHouse } from '../helpers/server-house.ts';
import { until } from '../helpers/until.ts';
import { newSet } from '../helpers/new-records.ts';
import { sprite } from './world.ts';

let house: TestHouse;
let bot: Bot;
const errors: unknown[] = [];

beforeAll(async () => {
  house = await openServerHouse();
  const log = { info: () => {}, warn: () => {}, error: (fields: object) => void errors.push(fields) };
  bot = await startBot(house.storage, house.config, { log });
});
afterAll(async () => {
  await bot.stop();
  await house.close();
});

/** A request as a program sends it that sets what a browser does not let a page set. */
function raw(
  path: string,
  headers: Record<string, string>,
  method = 'GET',
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(bot.address);
    const sent = request({ hostname, port, path, method, headers }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => (body += chunk.toString()));
      response.on('end', () => resolve({ status: response.statusCode!, body }));
    });
    sent.on('error', reject).end();
  });
}

it('a page that opens just when the database goes away is closed, to come again, and the bot goes on', async () => {
  const { storage, config } = house;
  let away = false;
  const records: typeof storage.records = {
    ...storage.records,
    async channels(platform) {
      if (away) throw new Error('the database is away');
      return storage.records.channels(platform);
    },
  };
  const log = { info: () => {}, warn: () => {}, error: () => {} };
  const other = await startBot({ ...storage, records }, config, { log });
  const named = await fetch(`${other.address}/api/me`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'Ada' }),
  });
  away = true;
  const socket = new WebSocket(`ws://127.0.0.1:${other.port}/api/live`, {
    headers: { cookie: named.headers.get('set-cookie')!.split(';')[0]! },
  });
  const [code] = (await once(socket, 'close')) as [number];
  // “Try again later.”
  expect(code).toBe(1013);
  expect((await fetch(other.address)).status).toBe(200);
  await other.stop();
});

describe('signed links', () => {
  const bytes = randomBytes(100_000);
  let hash: string;
  let link: string;
  beforeAll(async () => {
    ({ hash } = await house.storage.blobs.put(bytes));
    link =
      bot.address +
      signLink(house.config.secret, { hash, fileName: 'mochi “1”.safetensors', expiresAt: linkExpiry() });
  });

  it('give the whole file under its name, as a download', async () => {
    const response = await fetch(link);
    expect(response.status).toBe(200);
    expect(Buffer.from(await response.arrayBuffer()).equals(bytes)).toBe(true);
    expect(response.headers.get('content-disposition')).toBe(
      "attachment; filename*=UTF-8''mochi%20%E2%80%9C1%E2%80%9D.safetensors",
    );
    expect(response.headers.get('content-type')).toBe('application/octet-stream');
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    expect(response.headers.get('content-length')).toBe('100000');
  });

  it('resume a download unless the file has changed', async () => {
    const begun = await fetch(link, { headers: { range: 'bytes=0-59999' } });
    const etag = begun.headers.get('etag')!;
    expect(begun.status).toBe(206);
    expect(begun.headers.get('content-range')).toBe('bytes 0-59999/100000');
    const rest = await fetch(link, { headers: { range: 'bytes=60000-', 'if-range': etag } });
    expect(rest.status).toBe(206);
    const whole = Buffer.concat([
      Buffer.from(await begun.arrayBuffer()),
      Buffer.from(await rest.arrayBuffer()),
    ]);
    expect(whole.equals(bytes)).toBe(true);
    const other = await fetch(link, { headers: { range: 'bytes=60000-', 'if-range': '"another"' } });
    expect(other.status).toBe(200);
    expect((await fetch(link, { headers: { range: 'bytes=100000-' } })).status).toBe(416);
  });

  it("use the browser's cache, and answer HEAD", async () => {
    const head = await fetch(link, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length')]).toEqual([200, '100000']);
    const again = await fetch(link, { headers: { 'if-none-match': head.headers.get('etag')! } });
    expect([again.status, await again.text()]).toEqual([304, '']);
  });

  it('show pictures in the browser', async () => {
    const { hash: picture } = await house.storage.blobs.put(await sprite('fox', '#aaccee'));
    const expiresAt = linkExpiry();
    const shown = await fetch(
      bot.address + signLink(house.config.secret, { hash: picture, fileName: 'fox.png', expiresAt }),
    );
    expect(shown.headers.get('content-type')).toBe('image/png');
    expect(shown.headers.get('content-disposition')).toMatch(/^inline/);
    // A page of ours in disguise must not run.
    const page = await fetch(
      bot.address + signLink(house.config.secret, { hash: picture, fileName: 'x.html', expiresAt }),
    );
    expect(page.headers.get('content-type')).toBe('application/octet-stream');
  });

  it('are refused with a message when expired, changed, or for a deleted file', async () => {
    const expired = signLink(house.config.secret, {
      hash,
      fileName: 'a.png',
      expiresAt: new Date(Date.now() - 1000),
    });
    const refused = await fetch(bot.address + expired);
    expect(refused.status).toBe(403);
    expect(await refused.text()).toContain('This link has expired');
    expect((await fetch(link.replace(/expires=\d/, 'expires=9'))).status).toBe(403);
    expect((await fetch(link.replace('mochi', 'momo'))).status).toBe(403);
    const missing = signLink(house.config.secret, {
      hash: '0'.repeat(64),
      fileName: 'a.png',
      expiresAt: linkExpiry(),
    });
    expect((await fetch(bot.address + missing)).status).toBe(404);
  });

  it('keep nothing from others when they are opened and not read', async () => {
    const { storage, config } = house;
    const { hash: large } = await storage.blobs.put(randomBytes(8 * 1024 ** 2));
    let unread = 0;
    // A bucket has 50 connections for all that the bot does.
    const stream = storage.blobs.stream.bind(storage.blobs);
    const streams = vi.spyOn(storage.blobs, 'stream').mockImplementation(async (...asked) => {
      const its = await stream(...asked);
      unread += 1;
      return its.once('close', () => (unread -= 1));
    });
    const { host, port } = new URL(bot.address);
    const path = signLink(config.secret, { hash: large, fileName: 'large', expiresAt: linkExpiry() });
    const lazy = Array.from({ length: 102 }, () =>
      connect(Number(port), '127.0.0.1')
        .pause()
        .on('error', () => undefined),
    );
    try {
      for (const socket of lazy) socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      await Promise.all(lazy.slice(0, 100).map(async (socket) => once(socket, 'readable')));
      expect(Buffer.from(await (await fetch(link)).arrayBuffer())).toEqual(bytes);
      await until(() => unread === 0, 'all streams to be read');
    } finally {
      for (const socket of lazy) socket.destroy();
      streams.mockRestore();
    }
  });

  it('stay the same all day, so that browsers can cache', () => {
    const morning = Date.UTC(2026, 7, 1, 0, 0, 1);
    const evening = Date.UTC(2026, 7, 1, 23, 59, 59);
    expect(linkExpiry(morning)).toEqual(linkExpiry(evening));
    expect(linkExpiry(evening).getTime() - evening).toBeGreaterThan(7 * 86_400_000);
  });

  it.each([
    ['bytes=0-9', { start: 0, end: 9 }],
    ['bytes=90-', { start: 90, end: 99 }],
    ['bytes=-10', { start: 90, end: 99 }],
    ['bytes=-1000', { start: 0, end: 99 }],
    ['bytes=0-1000', { start: 0, end: 99 }],
    ['bytes=100-', 'none'],
    ['bytes=-0', 'none'],
    ['bytes=9-1', null],
    ['bytes=0-1,5-6', null],
    ['lines=1-2', null],
    [undefined, null],
  ])('read the range %s of 100 bytes', (header, expected) => {
    expect(parseRange(header, 100)).toEqual(expected);
  });
});

describe('the http server', () => {
  it.each(['/api/me', '/api/channels/general/messages', '/api/uploads'])(
    'a request to %s that breaks off is not logged as a fault',
    async (path) => {
      const named = await fetch(`${bot.address}/api/me`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{"name":"Ann"}',
      });
      const cookie = named.headers.getSetCookie().map((each) => each.split(';')[0]);
      const before = errors.length;
      const socket = connect(bot.port, '127.0.0.1');
      const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nCookie: ${cookie.join('; ')}\r\nContent-Type: application/json\r\n`;
      socket.write(`${head}Transfer-Encoding: chunked\r\n\r\n5\r\n{"a":\r\n`);
      // It has reached the route when another request after it is answered.
      await fetch(`${bot.address}/api/me`);
      socket.resetAndDestroy();
      await once(socket, 'close');
      for (let after = 0; after < 5; after++) await fetch(`${bot.address}/api/me`);
      expect(errors.slice(before)).toEqual([]);
    },
  );

  it('blocks foreign scripts and framing', async () => {
    const page = await fetch(bot.address);
    const policy = page.headers.get('content-security-policy')!;
    expect(policy).toContain("script-src 'self'");
    expect(policy).not.toContain('unsafe');
    expect(policy).toContain("frame-ancestors 'none'");
    expect(await page.text()).not.toMatch(/<script(?![^>]*src=)/);
  });

  it('sends its bundle compressed, cached forever', async () => {
    const html = await (await fetch(bot.address)).text();
    const script = /src="([^"]+)"/.exec(html)![1]!;
    const response = await fetch(bot.address + script, { headers: { 'accept-encoding': 'br' } });
    expect(response.headers.get('content-encoding')).toBe('br');
    expect(response.headers.get('cache-control')).toContain('immutable');
    expect((await response.arrayBuffer()).byteLength).toBeGreaterThan(10_000);
  });

  it('is reachable only from this machine', async () => {
    const outer = Object.values(networkInterfaces())
      .flat()
      .find((each) => each?.family === 'IPv4' && !each.internal);
    if (!outer) return;
    await expect(fetch(`http://${outer.address}:${new URL(bot.address).port}/`)).rejects.toThrow();
  });

  it('refuses other names of this machine and changes that come from other sites', async () => {
    expect((await raw('/', { host: 'evil.example' })).status).toBe(403);
    const port = new URL(bot.address).port;
    expect((await raw('/', { host: `127.0.0.1:${port}` })).status).toBe(200);
    const foreign = { host: `localhost:${port}`, origin: 'https://evil.example' };
    expect((await raw('/api/me', foreign, 'POST')).status).toBe(403);
    const upgrade = { ...foreign, upgrade: 'websocket', connection: 'upgrade' };
    const live = await raw('/api/live', {
      ...upgrade,
      'sec-websocket-version': '13',
      'sec-websocket-key': 'x'.repeat(22) + '==',
    });
    expect(live.status).toBe(403);
  });

  it('answers invalid requests in JSON', async () => {
    const ask = async (path: string, init: RequestInit) => {
      const response = await fetch(bot.address + path, init);
      return [response.status, ((await response.json()) as { error: { code: string } }).error.code];
    };
    const json = { 'content-type': 'application/json' };
    expect(await ask('/api/channels', { method: 'POST', body: '{"name":"x"}', headers: json })).toEqual([
      401,
      'NAME_NEEDED',
    ]);
    expect(await ask('/api/me', { method: 'POST', body: '{"name":" "}', headers: json })).toEqual([
      400,
      'NAME_INVALID',
    ]);
    expect(await ask('/api/me', { method: 'POST', body: '{"name":"Krona"}', headers: json })).toEqual([
      400,
      'NAME_INVALID',
    ]);
    expect(await ask('/api/nothing', {})).toEqual([404, 'NOT_FOUND']);

    const named = await fetch(`${bot.address}/api/me`, {
      method: 'POST',
      body: '{"name":"Ann"}',
      headers: json,
    });
    const cookie = named.headers.get('set-cookie')!.split(';')[0]!;
    expect(named.headers.get('set-cookie')).toMatch(/HttpOnly/i);
    const post = (body: unknown) => ({
      method: 'POST',
      body: JSON.stringify(body),
      headers: { ...json, cookie },
    });
    const message = { id: randomUUID(), text: '/krona trian', uploads: [] };
    expect(await ask('/api/channels/general/messages', post(message))).toEqual([400, 'COMMAND_UNKNOWN']);
    expect(await ask('/api/channels/nowhere/messages', post(message))).toEqual([404, 'CHANNEL_UNKNOWN']);
    expect(await ask('/api/channels/general/messages', post({ ...message, id: 7 }))).toEqual([
      400,
      'REQUEST_INVALID',
    ]);
    const stale = { ...message, text: 'look', uploads: [randomUUID()] };
    expect(await ask('/api/channels/general/messages', post(stale))).toEqual([409, 'UPLOAD_GONE']);

    const large = {
      method: 'POST',
      body: Buffer.alloc(26 * 1024 * 1024),
      headers: { cookie, 'x-file-name': 'big.png' },
    };
    expect(await ask('/api/uploads', large)).toEqual([413, 'ATTACHMENT_TOO_LARGE']);
    expect(errors).toEqual([]);
  });

  /** A member's requests, from a browser of their own. */
  async function member(name: string) {
    const json = { 'content-type': 'application/json' };
    const body = JSON.stringify({ name });
    const named = await fetch(`${bot.address}/api/me`, { method: 'POST', body, headers: json });
    const cookie = named.headers.get('set-cookie')!.split(';')[0]!;
    return async (path: string, method = 'GET', sent?: unknown) => {
      const response = await fetch(bot.address + path, {
        method,
        headers: { ...json, cookie },
        ...(sent !== undefined && { body: typeof sent === 'string' ? sent : JSON.stringify(sent) }),
      });
      return [
        response.status,
        (await response.json()) as { error?: { code: string; message: string } },
      ] as const;
    };
  }

  it('lets nobody overwrite another member’s message or Krona’s, in any channel', async () => {
    const [mia, ben] = [await member('Mia'), await member('Ben')];
    await mia('/api/channels', 'POST', { name: 'quiet' });
    const line = { id: randomUUID(), text: 'mine', uploads: [] };
    expect((await mia('/api/channels/general/messages', 'POST', line))[0]).toBe(202);
    // The same member again, as after a lost connection: once.
    expect((await mia('/api/channels/general/messages', 'POST', line))[0]).toBe(202);
    const forged = { ...line, text: '/krona help' };
    for (const [who, channel] of [
      [ben, 'general'],
      [ben, 'quiet'],
      [mia, 'quiet'],
    ] as const) {
      const [status, { error }] = await who(`/api/channels/${channel}/messages`, 'POST', forged);
      expect([status, error?.code]).toEqual([409, 'LINE_ID_TAKEN']);
    }
    const { records } = house.storage;
    const general = await records.channel('web', 'general', 'general');
    const lines = await records.lines(general.id, 0, 100);
    expect(lines.filter(({ id }) => id === line.id)).toMatchObject([{ body: { text: 'mine' } }]);
  });

  it('says which part of a request is invalid, and logs nothing', async () => {
    const ask = await member('Ida');
    const id = randomUUID();
    for (const [path, method, body, said] of [
      ['/api/me', 'POST', { name: 7 }, 'Invalid `name`'],
      ['/api/me', 'POST', '[', 'expected JSON'],
      ['/api/me', 'POST', 'null', 'Invalid'],
      ['/api/channels/general/messages', 'POST', { id, text: [], uploads: [] }, 'Invalid `text`'],
      ['/api/channels/general/messages', 'POST', { id, text: 'x', uploads: [7] }, 'Invalid `uploads.0`'],
      ['/api/channels/general/actions', 'POST', { id: 'x', action: 'y' }, 'expected a UUID'],
      ['/api/channels/general/votes', 'PUT', { pictureId: id, emoji: 'a1', added: true }, 'one emoji'],
      ['/api/channels/general/votes', 'PUT', { pictureId: id, emoji: '😀', added: 'no' }, 'true or false'],
      ['/api/complete?channel=general', 'GET', undefined, 'Invalid `path`'],
    ] as const) {
      const [status, { error }] = await ask(path, method, body);
      expect([path, status, error?.code]).toEqual([path, 400, 'REQUEST_INVALID']);
      expect(error!.message).toContain(said);
    }
    const [status, { error }] = await ask('/api/me', 'POST', { name: 'x'.repeat(100_000) });
    expect([status, error?.code]).toEqual([413, 'REQUEST_TOO_LARGE']);
    expect(errors).toEqual([]);
  });

  it('refuses a body without a size, before authentication', async () => {
    for (const path of ['/api/me', '/api/channels', '/api/channels/general/messages']) {
      const { hostname: host, port } = new URL(bot.address);
      const headers = { 'content-type': 'application/json' };
      const answer = await new Promise<{ status?: number; body: string }>((resolve) => {
        const sent = request({ host, port, path, method: 'POST', headers }, (response) => {
          let body = '';
          response.on('data', (chunk: Buffer) => (body += chunk.toString()));
          response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
        });
        // The bot hangs up on what it does not want to read.
        sent.on('error', () => undefined);
        for (let part = 0; part < 17; part++) sent.write(Buffer.alloc(4096, '"'));
        sent.end();
      });
      expect([path, answer.status]).toEqual([path, 413]);
      expect(answer.body).toContain('REQUEST_TOO_LARGE');
    }
    expect(errors).toEqual([]);
  });

  it('answers malformed addresses without an internal error', async () => {
    const ask = await member('Ugo');
    for (const path of [
      '/api/channels/%E0%A4%A/lines?before=1',
      '/api/channels/%00/lines?before=1',
      '/blobs/%E0',
    ])
      expect([400, 401, 403, 404]).toContain((await raw(path, { host: 'localhost' })).status);
    expect((await ask('/api/channels/%E0%A4%A', 'DELETE'))[0]).toBe(403);
    expect(errors).toEqual([]);
  });

  it("stores text without characters that databases can't hold", async () => {
    const ask = await member('Nul');
    const id = randomUUID();
    const text = 'a\0b\ud800c 😀';
    expect((await ask('/api/channels/general/messages', 'POST', { id, text, uploads: [] }))[0]).toBe(202);
    const { records } = house.storage;
    const general = await records.channel('web', 'general', 'general');
    const lines = await records.lines(general.id, 0, 100);
    expect(lines.find((line) => line.id === id)).toMatchObject({ body: { text: 'abc 😀' } });
    expect(errors).toEqual([]);
  });

  it('allows twenty emoji on a picture, besides votes', async () => {
    const { records } = house.storage;
    const channel = await records.channel('web', 'general', 'general');
    const ask = await member('Ella');
    const owner = await records.member('web', 'owner', 'Owner');
    const set = await records.addSet(
      newSet({ channelId: channel.id, memberId: owner.id, settings: channel.settings }),
    );
    const id = randomUUID();
    const size = { width: 8, height: 8, seed: 1, adapterId: null };
    await records.addPicture({ id, setId: set.id, index: 0, blobHash: '0'.repeat(64), ...size });
    const react = async (emoji: string) =>
      (await ask('/api/channels/general/votes', 'PUT', { pictureId: id, emoji, added: true }))[1].error?.code;
    for (let n = 0; n < 20; n++) expect(await react(String.fromCodePoint(0x1f400 + n))).toBeUndefined();
    expect(await react('🍕')).toBe('TOO_MANY_REACTIONS');
    expect([await react('❤️'), await react(String.fromCodePoint(0x1f400))]).toEqual([undefined, undefined]);
  });

  it('serves nobody through an unnamed proxy', async () => {
    for (const name of ['x-forwarded-for', 'forwarded', 'x-forwarded-host']) {
      const { status, body } = await raw('/', { host: 'localhost', [name]: 'for=198.51.100.7' });
      expect([status, body]).toEqual([403, expect.stringContaining('Set KRONA_URL')]);
    }
  });

  it('says that the disk is full when a photo does not fit', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'krona-uploads-'));
    const uploads = await Uploads.open(folder);
    const full = Object.assign(new Error('write ENOSPC'), { code: 'ENOSPC' });
    const photo = new Readable({
      read() {
        this.destroy(full);
      },
    });
    await expect(uploads.add('member', 'a.png', photo)).rejects.toMatchObject({ code: 'DISK_FULL' });
    expect(await readdir(folder)).toEqual([]);
    await rm(folder, { recursive: true });
  });

  it.each(['❤️', '👍🏽', '1️⃣', '🇫🇷', '👩‍👩‍👧', '🏴󠁧󠁢󠁳󠁣󠁴󠁿', '👨🏽‍🚀'])('takes %s as a vote', async (emoji) => {
    const ask = await member('Emil');
    const vote = { pictureId: randomUUID(), emoji, added: true };
    const [, { error }] = await ask('/api/channels/general/votes', 'PUT', vote);
    expect(error?.code).toBe('PICTURE_GONE');
  });

  it('keeps every character of a name, and stores nothing for a visitor who only looks', async () => {
    const named = await fetch(`${bot.address}/api/me`, {
      method: 'POST',
      body: JSON.stringify({ name: '~luna~' }),
      headers: { 'content-type': 'application/json' },
    });
    const cookie = named.headers.get('set-cookie')!.split(';')[0]!;
    const look = async (sent: string): Promise<unknown> =>
      (await fetch(`${bot.address}/api/me`, { headers: { cookie: sent } })).json();
    expect(await look(cookie)).toMatchObject({ me: { name: '~luna~' } });
    expect(await look(`krona-member=${randomBytes(32).toString('base64url')}~Nobody`)).toEqual({ me: null });
  });

  it("completes a command's option as on all platforms", async () => {
    const named = await fetch(`${bot.address}/api/me`, {
      method: 'POST',
      body: '{"name":"Cleo"}',
      headers: { 'content-type': 'application/json' },
    });
    const cookie = named.headers.get('set-cookie')!.split(';')[0]!;
    const complete = async (path: string, option: string, typed: string): Promise<unknown> => {
      const query = new URLSearchParams({ channel: 'general', path, option, typed }).toString();
      return (await fetch(`${bot.address}/api/complete?${query}`, { headers: { cookie } })).json();
    };
    expect(await complete('help', 'command', 'tra')).toEqual(['train']);
    expect(await complete('settings draw', 'scheduler', ' EULER')).toEqual([
      'euler',
      'euler_trailing',
      'euler_a',
    ]);
    expect(await complete('adapters champion', 'pin', 'y')).toEqual(['yes']);
    expect(await complete('nothing', 'x', '')).toEqual([]);
  });

  it('makes only the person who opens the terminal’s link a moderator', async () => {
    const open = (address: string) => fetch(address, { redirect: 'manual' });
    const right = await open(bot.moderatorAddress);
    expect([right.status, right.headers.get('location')]).toEqual([302, '/']);
    expect(right.headers.get('set-cookie')).toContain('krona-moderator');
    const wrong = await open(`${bot.address}/?moderator=guess`);
    expect(wrong.status).toBe(403);
    expect(wrong.headers.get('set-cookie')).toBeNull();
  });
});
