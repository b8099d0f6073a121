/** Who is let into the web chat where others can reach it, and what nobody can do there. */
import { randomBytes, randomUUID } from 'node:crypto';
import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import sharp from 'sharp';
import { WebSocket } from 'ws';
import { type Bot, startBot } from '../../bot/main.ts';
import { readConfig } from '../../core/config.ts';
import { LIMITS } from '../../core/rules.ts';
import { until } from '../helpers/until.ts';
import type { TestHouse } from '../helpers/house.ts';
import { openServerHouse } from '../helpers/server-house.ts';
import { newSet } from '../helpers/new-records.ts';
import { sprite } from './world.ts';

const PUBLIC = 'https://krona.example.org';
const KEYS = ['the-key-of-mia-long', 'the-key-of-ben-long'];
const log = { info: () => {}, warn: () => {}, error: () => {} };

let house: TestHouse;
let bot: Bot;
beforeAll(async () => {
  house = await openServerHouse({ KRONA_URL: PUBLIC, KRONA_ACCESS_KEY: KEYS.join(',') });
  bot = await startBot(house.storage, house.config, { log });
});
afterAll(async () => {
  await bot.stop();
  await house.close();
});

interface Answer {
  readonly status: number;
  readonly code: string | undefined;
  readonly body: { readonly me?: { readonly id: string }; readonly query?: string };
  readonly cookies: readonly string[];
}

/** A browser behind a proxy that does not pass its name on. */
class Browser {
  readonly cookies = new Map<string, string>();

  ask(method: string, path: string, sent?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const body = sent === undefined || Buffer.isBuffer(sent) ? sent : JSON.stringify(sent);
      const asked = request(
        {
          port: bot.port,
          host: '127.0.0.1',
          path,
          method,
          headers: {
            host: 'krona-upstream',
            origin: PUBLIC,
            cookie: [...this.cookies].map((each) => each.join('=')).join('; '),
            'content-type': 'application/json',
            ...headers,
          },
        },
        (response) => {
          let text = '';
          response.on('data', (chunk: Buffer) => (text += chunk.toString()));
          response.on('end', () => {
            const cookies = response.headers['set-cookie'] ?? [];
            for (const cookie of cookies) {
              const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
              this.cookies.set(name, value);
            }
            const parsed = (text.startsWith('{') ? JSON.parse(text) : {}) as Answer['body'] & {
              error?: { code: string };
            };
            resolve({ status: response.statusCode ?? 0, code: parsed.error?.code, body: parsed, cookies });
          });
        },
      );
      asked.on('error', reject).end(body);
    });
  }

  async named(name: string): Promise<string> {
    const { body } = await this.ask('POST', '/api/me', { name });
    return body.me?.id ?? '';
  }
}

const withKey = async (place: number): Promise<Browser> => {
  const browser = new Browser();
  await browser.ask('POST', '/api/key', { key: KEYS[place] });
  return browser;
};

async function moderator(name: string): Promise<Browser> {
  const browser = new Browser();
  const { pathname, search } = new URL(bot.moderatorAddress);
  await browser.ask('GET', pathname + search);
  await browser.named(name);
  return browser;
}

const message = (text: string) => ({ id: randomUUID(), text, uploads: [] });
const GENERAL = '/api/channels/general';

describe('without a key', () => {
  it.each([
    ['POST', '/api/me', { name: 'Eve' }],
    ['POST', '/api/channels', { name: 'eve' }],
    ['POST', `${GENERAL}/messages`, message('hello')],
    ['POST', `${GENERAL}/actions`, { id: randomUUID(), action: 'x' }],
    ['PUT', `${GENERAL}/votes`, { pictureId: randomUUID(), emoji: '❤️', added: true }],
    ['GET', `${GENERAL}/lines?before=5`, undefined],
    ['POST', '/api/uploads', Buffer.from('photo')],
    ['DELETE', GENERAL, undefined],
  ])('%s %s is refused, also with unsigned cookies', async (method, path, sent) => {
    const token = randomBytes(32).toString('base64url');
    const id = randomBytes(16).toString('base64url');
    for (const cookie of [
      '',
      `${token}~Eve`,
      token,
      `i${id}.${token}`,
      `k${id}.${token}`,
      `m${id}.${token}`,
    ]) {
      const eve = new Browser();
      eve.cookies.set('krona-member', cookie);
      expect(await eve.ask(method, path, sent)).toMatchObject({ status: 401, code: 'ACCESS_NEEDED' });
    }
  });

  it('no live connection opens', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${bot.port}/api/live`, { headers: { origin: PUBLIC } });
    const refused = await new Promise((resolve) => {
      socket.on('error', () => undefined);
      socket.on('unexpected-response', (_request, response) => resolve(response.statusCode));
    });
    expect(refused).toBe(401);
  });

  it('a request for another protocol is answered, not left open', async () => {
    const status = await new Promise((resolve, reject) => {
      const headers = { upgrade: 'h2c', connection: 'Upgrade' };
      request({ port: bot.port, host: '127.0.0.1', headers }, (response) => resolve(response.statusCode))
        .on('error', reject)
        .end();
    });
    expect(status).toBe(426);
  });

  it('the page asks for one, and a wrong key is refused', async () => {
    const eve = new Browser();
    expect((await eve.ask('GET', '/api/me')).body).toEqual({ me: null, keyNeeded: true });
    expect(await eve.ask('POST', '/api/key', { key: 'no key of anybody' })).toMatchObject({
      status: 401,
      code: 'ACCESS_KEY_WRONG',
    });
  });
});

describe('a key', () => {
  it('is one member in any number of browsers, over HTTPS only', async () => {
    const ids = new Set<string>();
    for (let browsers = 0; browsers < 3; browsers++) {
      const mia = await withKey(0);
      ids.add(await mia.named('Mia'));
    }
    expect(ids.size).toBe(1);
    const ben = await withKey(1);
    ids.add(await ben.named('Ben'));
    expect(ids.size).toBe(2);
    const { cookies } = await ben.ask('POST', '/api/me', { name: 'Ben' });
    expect(cookies.join()).toMatch(/; Secure/);
  });

  it('allows no name that looks like another one', async () => {
    await (await withKey(0)).named('Mia');
    const ben = await withKey(1);
    for (const name of [
      'Mia',
      'МІА',
      'Міа',
      'mia',
      'M i a',
      'rnia',
      'Ｍｉａ',
      'M\u2800ia',
      'Mi\u034fa',
      'ᴍɪᴀ',
      '🅼🅸🅰',
      '🇲🇮🇦',
      'M\u0336ia',
      'Mia.',
      '~Mia~',
      'Mia ✔',
    ])
      expect(await ben.ask('POST', '/api/me', { name })).toMatchObject({ status: 409, code: 'NAME_TAKEN' });
    for (const name of [
      'Кrоnа',
      'ΚRΟΝΑ',
      'κrona',
      'kr0na',
      'Kröna',
      'Krona bot',
      '_KRONA_',
      'ᴋʀᴏɴᴀ',
      '\u3164',
      '\u115f\u1160',
      '\ufe0f',
    ])
      expect(await ben.ask('POST', '/api/me', { name })).toMatchObject({ status: 400, code: 'NAME_INVALID' });
    for (const name of ['Mía', 'Zoë', '小林', '~luna~', 'Ben'])
      expect((await ben.ask('POST', '/api/me', { name })).status).toBe(200);
  });
});

describe('an invitation', () => {
  it('is made only by moderators, and lets one member in', async () => {
    const boss = await moderator('Boss');
    const { body } = await boss.ask('POST', '/api/invitations');
    const ids = new Set<string>();
    for (let browsers = 0; browsers < 2; browsers++) {
      const guest = new Browser();
      expect((await guest.ask('GET', `/${body.query}`)).status).toBe(302);
      ids.add(await guest.named('Guest'));
      expect(await guest.ask('POST', '/api/invitations')).toMatchObject({ status: 403, code: 'NOT_ALLOWED' });
    }
    expect(ids.size).toBe(1);
    const forged = String(body.query).replace(/(?<=invitation=i)./, (first) => (first === 'X' ? 'Y' : 'X'));
    expect((await new Browser().ask('GET', `/${forged}`)).status).toBe(403);
  });
});

it('the administrator’s page is for moderators only', async () => {
  const [boss, mia] = [await moderator('Owner'), await withKey(0)];
  await mia.named('Mia');
  for (const [method, path] of [
    ['GET', ''],
    ['POST', '/tokens'],
    ['POST', `/work/${randomUUID()}/cancel`],
  ] as const)
    expect(await mia.ask(method, `/api/administration${path}`)).toMatchObject({
      status: 403,
      code: 'NOT_ALLOWED',
    });
  await boss.named('Owner');
  const { body } = await boss.ask('GET', '/api/administration');
  expect(body).toMatchObject({
    computer: 'No worker has said yet what it computes on.',
    open: [],
    tokens: [],
  });
});

describe('a proxy', () => {
  it("doesn't need to pass on the host name, but no other site can act", async () => {
    const mia = await withKey(0);
    await mia.named('Mia');
    expect((await mia.ask('POST', `${GENERAL}/messages`, message('hello'))).status).toBe(202);
    expect(
      await mia.ask('POST', `${GENERAL}/messages`, message('hello'), { origin: 'https://evil.example' }),
    ).toMatchObject({ status: 403, code: 'FOREIGN_REQUEST' });
  });

  it('that is trusted names the hosts that members opened, one for each proxy on the way', async () => {
    const behind = await startBot(
      house.storage,
      await readConfig({
        KRONA_DATA: house.config.dataFolder,
        KRONA_PORT: '0',
        KRONA_TRUSTED_PROXIES: '127.0.0.1',
        KRONA_ACCESS_KEY: KEYS.join(','),
      }),
      { log },
    );
    const from = async (origin: string, hosts: string) => {
      const headers = { origin, 'x-forwarded-host': hosts, 'content-type': 'application/json' };
      const body = JSON.stringify({ key: KEYS[0] });
      const asked = fetch(`http://127.0.0.1:${behind.port}/api/key`, { method: 'POST', headers, body });
      return (await asked).status;
    };
    expect(await from(PUBLIC, 'krona.example.org:443, inner')).toBe(200);
    expect(await from(PUBLIC, 'inner, KRONA.example.org')).toBe(200);
    expect(await from('https://evil.example', 'krona.example.org')).toBe(403);
    expect(await from('null', 'krona.example.org')).toBe(403);
    await behind.stop();
  });
});

describe('channels', () => {
  it('start with limits, and a member can open ten', async () => {
    const { records } = house.storage;
    const general = await records.channel('web', 'general', 'general');
    expect(await records.rules(general.id)).toMatchObject(LIMITS);
    const ben = await withKey(1);
    await ben.named('Ben');
    for (let number = 0; number < 10; number++)
      expect((await ben.ask('POST', '/api/channels', { name: `ben ${number}` })).status).toBe(200);
    expect(await ben.ask('POST', '/api/channels', { name: 'ben 10' })).toMatchObject({
      code: 'CHANNEL_QUOTA',
    });
    expect((await ben.ask('POST', '/api/channels', { name: 'ben 3' })).status).toBe(200);
    expect(await records.rules((await records.channel('web', 'ben-9', 'ben-9')).id)).toMatchObject(LIMITS);
  });

  it('are deleted by moderators, with everything in them', async () => {
    const [boss, mia] = [await moderator('Chief'), await withKey(0)];
    await mia.named('Mia');
    await mia.ask('POST', '/api/channels', { name: 'gone' });
    await mia.ask('POST', '/api/channels/gone/messages', message('hello'));
    expect(await mia.ask('DELETE', '/api/channels/gone')).toMatchObject({ status: 403, code: 'NOT_ALLOWED' });
    expect((await boss.ask('DELETE', '/api/channels/gone')).status).toBe(200);
    expect(await mia.ask('POST', '/api/channels/gone/messages', message('hello'))).toMatchObject({
      status: 404,
    });
    expect(await boss.ask('DELETE', GENERAL)).toMatchObject({ code: 'CHANNEL_NEEDED' });
  });
});

async function guest(name: string): Promise<Browser> {
  const boss = await moderator(`${name} asks`);
  const browser = new Browser();
  await browser.ask('GET', `/${(await boss.ask('POST', '/api/invitations')).body.query}`);
  await browser.named(name);
  return browser;
}

describe('limits of the whole chat', () => {
  it('asks a member who floods it to wait, and nobody else', async () => {
    const [flood, calm] = [await guest('Flood'), await guest('Calm')];
    const answers: Answer[] = [];
    for (let sent = 0; sent < 40; sent++)
      answers.push(await flood.ask('POST', `${GENERAL}/messages`, message('x')));
    expect(answers.filter(({ status }) => status === 202).length).toBeGreaterThanOrEqual(30);
    expect(answers.at(-1)).toMatchObject({ status: 429, code: 'TOO_FAST' });
    expect((await calm.ask('POST', `${GENERAL}/messages`, message('y'))).status).toBe(202);
    // Small copies of pictures cost less each: a page shows forty.
    const copies: Answer[] = [];
    // Five more are allowed each second, so a slow machine asks for more.
    while (copies.at(-1)?.code !== 'TOO_FAST' && copies.length < 3_000)
      copies.push(await flood.ask('GET', `${GENERAL}/gallery/${randomUUID()}/small`));
    expect(copies.slice(0, 290).map(({ code }) => code)).toEqual(Array(290).fill('PICTURE_GONE'));
    expect(copies.at(-1)).toMatchObject({ status: 429, code: 'TOO_FAST' });
  });

  it('a page of many votes is read at once', async () => {
    const { records } = house.storage;
    const [reader, { id: channelId }] = [
      await guest('Reader'),
      await records.channel('web', 'general', 'general'),
    ];
    const [author] = await records.membersOn('web');
    for (let nth = 0; nth < 20; nth++) {
      const set = await records.addSet(newSet({ channelId, memberId: author!.id, state: 'done' }));
      const card = { tone: 'info', title: 'Drawn', votesOn: set.id };
      await records.addLine({ id: randomUUID(), channelId, memberId: null, body: { kind: 'card', card } });
    }
    const asked = vi.spyOn(records, 'voteFacts');
    const { body } = await reader.ask('GET', `${GENERAL}/lines?before=999999999`);
    expect((body as { lines?: unknown[] }).lines?.length).toBeGreaterThanOrEqual(20);
    expect(asked).toHaveBeenCalledTimes(1);
    asked.mockRestore();
  });

  it('a member who reads or renames too often is asked to wait, and can still write', async () => {
    const greedy = await guest('Greedy');
    const asked = (times: number, ask: (nth: number) => Promise<Answer>) =>
      Promise.all(Array.from({ length: times }, (_, nth) => ask(nth)));
    const read = await asked(60, () => greedy.ask('GET', `${GENERAL}/lines?before=1`));
    const named = await asked(60, (nth) => greedy.ask('POST', '/api/me', { name: `Greedy ${nth}` }));
    for (const answers of [read, named])
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 429]));
    expect((await greedy.ask('POST', `${GENERAL}/messages`, message('x'))).status).toBe(202);
  });

  it('of a member who sends many large photos don’t make others wait for all of them', async () => {
    const [many, one] = [await guest('Sender'), await guest('Other')];
    const upload = async (browser: Browser, photo: Buffer) => {
      const answer = await browser.ask('POST', '/api/uploads', photo);
      return (answer.body as { id?: string }).id ?? '';
    };
    const blank = { width: 5000, height: 4000, channels: 3, background: '#fff' } as const;
    const large = await sharp({ create: blank }).png({ progressive: true }).toBuffer();
    const [slow, quick] = [await upload(many, large), await upload(one, await sprite('fox', '#fff'))];
    const done: string[] = [];
    const say = async (browser: Browser, who: string, uploads: readonly string[]) => {
      const { status } = await browser.ask('POST', `${GENERAL}/messages`, { ...message('look'), uploads });
      done.push(`${who} ${status}`);
    };
    // The same photo with each message: it is stored until the first was answered.
    const flood = Array.from({ length: 8 }, () => say(many, 'many', [slow]));
    await say(one, 'one', [quick]);
    expect(done.length).toBeLessThan(5);
    expect(done.at(-1)).toBe('one 202');
    await Promise.all(flood);
  });

  it('a member who asks for many small copies, or searches, at once has one made at a time', async () => {
    const { records, blobs } = house.storage;
    const [many, { id: channelId }] = [
      await guest('Looker'),
      await records.channel('web', 'general', 'general'),
    ];
    const [author] = await records.membersOn('web');
    const set = await records.addSet(newSet({ channelId, memberId: author!.id, state: 'done', count: 6 }));
    const ids: string[] = [];
    for (let index = 0; index < 6; index++) {
      const { hash: blobHash, size } = await blobs.put(await sprite('fox', `#00000${index}`, 64));
      const drawn = { id: randomUUID(), setId: set.id, index, blobHash, size, width: 64, height: 64 };
      await records.addPicture({
        ...drawn,
        ...{ seed: 1, prompt: null, adapterId: null, unsafe: null, sensitive: false },
      });
      ids.push(drawn.id);
    }
    let [reading, most] = [0, 0];
    const read = blobs.get.bind(blobs);
    const get = vi.spyOn(blobs, 'get').mockImplementation(async (hash) => {
      most = Math.max(most, ++reading);
      const bytes = await read(hash);
      // The copy is made before the next picture is read.
      setTimeout(() => (reading -= 1), 0);
      return bytes;
    });
    const copies = await Promise.all(ids.map((id) => many.ask('GET', `${GENERAL}/gallery/${id}/small`)));
    get.mockRestore();
    expect(copies.map(({ status }) => status)).toEqual(Array(6).fill(200));
    expect(most).toBe(1);
    const letters = encodeURIComponent('a b c d e f g h i');
    expect(await many.ask('GET', `${GENERAL}/gallery?words=${letters}`)).toMatchObject({
      status: 400,
      code: 'SEARCH_TOO_LONG',
    });
    // A word that another begins with is no further one.
    const begins = encodeURIComponent('f fo fox FOX r re red b bl blue');
    expect((await many.ask('GET', `${GENERAL}/gallery?words=${begins}`)).status).toBe(200);
  });

  it('a member can have only so many open pages', async () => {
    const many = await guest('Many');
    const cookie = [...many.cookies].map((each) => each.join('=')).join('; ');
    const closed: number[] = [];
    const sockets = Array.from({ length: 55 }, () => {
      const headers = { origin: PUBLIC, cookie };
      const socket = new WebSocket(`ws://127.0.0.1:${bot.port}/api/live`, { headers });
      socket.on('close', (code) => closed.push(code));
      return socket;
    });
    await until(() => closed.length === 5, 'five that are refused');
    expect(new Set(closed)).toEqual(new Set([1013]));
    for (const socket of sockets) socket.terminate();
  });

  it('hold in all channels together, and so does a block', async () => {
    const { records } = house.storage;
    const general = await records.channel('web', 'general', 'general');
    expect(await records.serverRules(general.id)).toMatchObject({ member: { pictures: 240 } });
    const [boss, pest] = [await moderator('Warden'), await guest('Pest')];
    await pest.ask('POST', '/api/channels', { name: 'elsewhere' });
    await pest.ask('POST', `${GENERAL}/messages`, message('hello'));
    const text = '/krona rules block member:Pest scope:server';
    await boss.ask('POST', `${GENERAL}/messages`, message(text));
    await until(async () => {
      const { code } = await pest.ask('POST', '/api/channels/elsewhere/messages', message('hello'));
      return code === 'BLOCKED';
    }, 'the block in another channel');
    expect(await pest.ask('POST', '/api/uploads', Buffer.from('x'))).toMatchObject({ code: 'BLOCKED' });
  });
});

describe('a blocked member', () => {
  it("can do nothing, in any browser, and doesn't see who else is blocked", async () => {
    const { records } = house.storage;
    const mia = await withKey(0);
    const id = await mia.named('Mia');
    const general = await records.channel('web', 'general', 'general');
    const rules = await records.rules(general.id);
    await records.saveRules(general.id, { ...rules, blocked: [id] });
    const again = await withKey(0);
    const vote = { pictureId: randomUUID(), emoji: '❤️', added: true };
    for (const [method, path, sent] of [
      ['POST', `${GENERAL}/messages`, message('hello')],
      ['PUT', `${GENERAL}/votes`, vote],
      ['POST', '/api/uploads', await sprite('fox', '#fff')],
      ['POST', '/api/channels', { name: 'mine' }],
      ['POST', '/api/me', { name: 'Somebody else' }],
    ] as const)
      expect([path, await again.ask(method, path, sent)]).toMatchObject([
        path,
        { status: 403, code: 'BLOCKED' },
      ]);
    for (const path of ['gallery', 'gallery/choices', `gallery/${randomUUID()}/small`])
      expect([path, await again.ask('GET', `${GENERAL}/${path}`)]).toMatchObject([
        path,
        { status: 403, code: 'BLOCKED' },
      ]);
    const query = '/api/complete?channel=general&path=rules%20unblock&option=member&typed=';
    const ben = await withKey(1);
    await ben.named('Ben');
    expect((await ben.ask('GET', query)).body).toEqual({});
    await records.saveRules(general.id, rules);
  });
});
