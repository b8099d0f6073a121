/** Who is let into the web chat where others can reach it, and what nobody can do there. */
import { randomBytes, randomUUID } from 'node:crypto';
import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { type Bot, startBot } from '../../bot/main.ts';
import { LIMITS } from '../../core/rules.ts';
import { openHouse, type TestHouse } from '../helpers/house.ts';
import { sprite } from './world.ts';

const PUBLIC = 'https://krona.example.org';
const KEYS = ['the-key-of-mia-long', 'the-key-of-ben-long'];
const log = { info: () => {}, warn: () => {}, error: () => {} };

let house: TestHouse;
let bot: Bot;
beforeAll(async () => {
  house = await openHouse({ KRONA_URL: PUBLIC, KRONA_ACCESS_KEY: KEYS.join(',') });
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
    for (const name of ['Mia', 'МІА', 'Міа', 'mia', 'M i a', 'rnia', 'Ｍｉａ', 'M\u2800ia', 'Mi\u034fa'])
      expect(await ben.ask('POST', '/api/me', { name })).toMatchObject({ status: 409, code: 'NAME_TAKEN' });
    for (const name of ['Кrоnа', 'ΚRΟΝΑ', 'κrona', 'kr0na', '\u3164', '\u115f\u1160', '\ufe0f'])
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
    const forged = String(body.query).replace(/invitation=i./, 'invitation=iX');
    expect((await new Browser().ask('GET', `/${forged}`)).status).toBe(403);
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
    const query = '/api/complete?channel=general&path=rules%20unblock&option=member&typed=';
    const ben = await withKey(1);
    await ben.named('Ben');
    expect((await ben.ask('GET', query)).body).toEqual({});
    await records.saveRules(general.id, rules);
  });
});
