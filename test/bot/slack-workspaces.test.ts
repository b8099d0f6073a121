/** One bot in several Slack workspaces: installed by OAuth, each with its own token, events and files. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text as readText } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Bot, startBot } from '../../bot/main.ts';
import { installLink } from '../../bot/slack/install-link.ts';
import type { SlackOAuth } from '../../core/config.ts';
import { FakeSlack, type Person, textOf } from '../fakes/slack/fake-slack.ts';
import { SIGNING_SECRET } from '../fakes/slack/workspace.ts';
import type { TestHouse } from '../helpers/house.ts';
import { openServerHouse } from '../helpers/server-house.ts';
import { until } from '../helpers/until.ts';

interface Grant {
  readonly team: string;
  readonly name: string;
  readonly token: string;
  readonly clientId: string;
  readonly redirectUri: string;
  readonly challenge: string | null;
  readonly organization?: boolean;
}

/** Slack before its workspaces: exchanges codes, and hands calls to the workspace of their token. */
class SlackHub {
  readonly #workspaces: ReadonlyMap<string, FakeSlack>;
  readonly #grants = new Map<string, Grant>();
  readonly #server: Server;
  readonly refused: string[] = [];
  /** Calls with each token for a channel. */
  readonly calls: string[] = [];
  /** Nothing with this token is answered before that. */
  held: { readonly token: string; readonly until: Promise<void> } | null = null;

  constructor(workspaces: ReadonlyMap<string, FakeSlack>) {
    this.#workspaces = workspaces;
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** An administrator allows what the bot's link has asked for. Returns where Slack sends the browser. */
  allows(asked: URL, grant: Pick<Grant, 'team' | 'name' | 'token' | 'organization'>): URL {
    const of = (name: string) => asked.searchParams.get(name);
    const code = `code-${this.#grants.size}`;
    const [clientId, redirectUri, challenge] = [of('client_id')!, of('redirect_uri')!, of('code_challenge')];
    this.#grants.set(code, { ...grant, clientId, redirectUri, challenge });
    const back = new URL(redirectUri);
    back.searchParams.set('code', code);
    back.searchParams.set('state', of('state')!);
    return back;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readText(request);
    if (request.url === '/api/oauth.v2.access') {
      const answer = this.#exchange(new URLSearchParams(body));
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
      return;
    }
    const token = (request.headers.authorization ?? '').replace('Bearer ', '');
    const workspace = this.#workspaces.get(token) ?? [...this.#workspaces.values()][0]!;
    this.calls.push(`${token} ${new URLSearchParams(body).get('channel')}`);
    if (this.held?.token === token) await this.held.until;
    const { host: _host, connection: _connection, 'content-length': _length, ...headers } = request.headers;
    const answer = await fetch(workspace.address + request.url, {
      method: request.method!,
      headers: headers as Record<string, string>,
      ...(body !== '' && { body }),
    });
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    response.end(Buffer.from(await answer.arrayBuffer()));
  }

  /** As Slack: each code once, for the app and the address that it was given for, with the secret or the verifier. */
  #exchange(given: URLSearchParams): object {
    const code = given.get('code') ?? '';
    const grant = this.#grants.get(code);
    this.#grants.delete(code);
    const refuse = (error: string) => {
      this.refused.push(error);
      return { ok: false, error };
    };
    if (grant === undefined) return refuse('invalid_code');
    if (given.get('client_id') !== grant.clientId) return refuse('invalid_client_id');
    if (given.get('redirect_uri') !== grant.redirectUri) return refuse('bad_redirect_uri');
    const verifier = given.get('code_verifier');
    if (grant.challenge === null && given.get('client_secret') !== 'the secret')
      return refuse('bad_client_secret');
    if (
      grant.challenge !== null &&
      createHash('sha256')
        .update(verifier ?? '')
        .digest('base64url') !== grant.challenge
    )
      return refuse('invalid_code_verifier');
    const { team: id, name, token, organization = false } = grant;
    return {
      ...{ ok: true, token_type: 'bot', access_token: token },
      ...(organization ? { team: null, is_enterprise_install: true } : { team: { id, name } }),
    };
  }
}

const FIRST = { team: 'T0FAKE', name: 'First', token: 'xoxb-fake-bot-token' };
const SECOND = { team: 'T0SECOND', name: 'Second', token: 'xoxb-second-bot-token' };

let house: TestHouse;
let hub: SlackHub;
let api: string;
let first: FakeSlack;
let second: FakeSlack;
let bot: Bot;
const complaints: string[] = [];

async function begin(
  oauth: SlackOAuth,
  botToken: string | null = FIRST.token,
  secret = house.config.secret,
): Promise<void> {
  const say = (fields: object, message: string) =>
    void complaints.push(
      `${message} ${JSON.stringify(fields, (_, value: unknown) => (value instanceof Error ? value.message : value))}`,
    );
  const slack = { botToken, oauth, appToken: null, signingSecret: SIGNING_SECRET, api: `${api}/api/` };
  const log = { info: () => {}, warn: say, error: say };
  bot = await startBot(house.storage, { ...house.config, secret, slack }, { log });
  for (const workspace of [first, second])
    await workspace.act('http', { url: `${bot.address}/slack/events` });
}

beforeAll(async () => {
  [house, first, second] = await Promise.all([
    openServerHouse(),
    FakeSlack.start(),
    FakeSlack.start({ team: SECOND.team, token: SECOND.token }),
  ]);
  hub = new SlackHub(
    new Map([
      [FIRST.token, first],
      [SECOND.token, second],
    ]),
  );
  api = await hub.listen();
  await begin({ clientId: 'the app', clientSecret: 'the secret' });
});
afterAll(async () => {
  await bot.stop();
  hub.close();
  await Promise.all([first.stop(), second.stop()]);
  await house.close();
});

/** What a browser is sent to, and the cookie that it keeps. */
async function opens(address: string): Promise<{ readonly to: URL; readonly cookie: string }> {
  const response = await fetch(address, { redirect: 'manual' });
  expect(response.status).toBe(302);
  const [cookie = ''] = response.headers.getSetCookie();
  expect(cookie).toMatch(/HttpOnly/);
  expect(cookie).toMatch(/SameSite=Lax/);
  return { to: new URL(response.headers.get('location')!), cookie: cookie.split(';')[0]! };
}

const link = () => installLink(bot.address, house.config.secret);

async function returns(address: URL, cookie: string): Promise<{ status: number; page: string }> {
  const response = await fetch(address, { headers: { cookie } });
  return { status: response.status, page: await response.text() };
}

async function asks(person: Person, slack: FakeSlack, channel: string): Promise<string> {
  await person.types(channel, 'subjects list');
  return until(async () => {
    const [shown] = await slack.messages(channel);
    const whisper = (await person.whispers()).at(-1);
    const said = shown ?? whisper;
    return said === undefined ? null : textOf(said.blocks);
  }, 'an answer');
}

it('sends nobody to Slack without a link of the administrator’s', async () => {
  for (const key of ['', '?key=1.x', `?key=${'9'.repeat(10)}.${'A'.repeat(43)}`]) {
    const response = await fetch(`${bot.address}/slack/install${key}`, { redirect: 'manual' });
    expect(response.status).toBe(403);
    expect(await response.text()).toContain('Ask the administrator');
  }
  const old = installLink(bot.address, house.config.secret, Date.now() - 8 * 24 * 3_600_000);
  expect((await fetch(old, { redirect: 'manual' })).status).toBe(403);
});

it('believes Slack’s answer once, and only in the browser that began', async () => {
  const { to, cookie } = await opens(link());
  expect(to.origin + to.pathname).toBe('https://slack.com/oauth/v2/authorize');
  expect(to.searchParams.get('scope')).toContain('chat:write');
  const back = hub.allows(to, SECOND);
  expect(await returns(back, '')).toMatchObject({ status: 403 });
  // It was used up, even by a stranger.
  expect(await returns(back, cookie)).toMatchObject({ status: 403 });
  expect(await house.storage.records.installations('slack')).toEqual([]);

  const again = await opens(link());
  const cancelled = new URL(`${bot.address}/slack/oauth`);
  cancelled.searchParams.set('error', 'access_denied');
  cancelled.searchParams.set('state', again.to.searchParams.get('state')!);
  expect((await returns(cancelled, again.cookie)).page).toContain('The installation was cancelled');

  const organization = await opens(link());
  const whole = hub.allows(organization.to, { ...SECOND, organization: true });
  expect((await returns(whole, organization.cookie)).page).toContain('not in a whole organization');
});

it('serves both workspaces, each with its own token, also after a restart, until one removes the app', async () => {
  const [mia, zoe] = [await first.person('Mia'), await second.person('Zoe')];
  const here = await first.channel('pets', [mia]);
  const there = await second.channel('toys', [zoe]);

  const { to, cookie } = await opens(link());
  const { status, page } = await returns(hub.allows(to, SECOND), cookie);
  expect([status, page]).toEqual([200, expect.stringContaining('Krona is in Second')]);
  const [stored] = await house.storage.records.installations('slack');
  expect(stored!.serverId).toBe(SECOND.team);
  expect(stored!.sealedToken).not.toContain('xoxb');

  const heard = async () => {
    await mia.types(here, 'imagine a fox');
    await zoe.types(there, 'imagine a badger');
    await until(
      async () => textOf((await first.messages(here)).at(-1)?.blocks ?? []).includes('fox'),
      'the fox',
    );
    await until(
      async () => textOf((await second.messages(there)).at(-1)?.blocks ?? []).includes('badger'),
      'the badger',
    );
  };
  await heard();
  const channels = await house.storage.records.channels('slack');
  expect(channels.map(({ name, serverId }) => [name, serverId])).toEqual([
    ['pets', FIRST.team],
    ['toys', SECOND.team],
  ]);

  await bot.stop();
  await begin({ clientId: 'the app', clientSecret: 'the secret' });
  await heard();

  // A token of another kind was withdrawn, or the event is of an earlier installation.
  await second.act('event', { event: { type: 'tokens_revoked', tokens: { oauth: [zoe.id] } } });
  await heard();
  expect(await house.storage.records.installations('slack')).toHaveLength(1);

  await second.act('uninstall');
  await until(async () => (await house.storage.records.installations('slack')).length === 0, 'the end');
  const count = (await first.messages(here)).length;
  await mia.types(here, 'imagine a hare');
  await until(async () => (await first.messages(here)).length > count, 'the hare');
  expect([...(await first.see()).problems, ...(await second.see()).problems]).toEqual([]);
});

it('keeps workspaces apart where ids are the same, and where one can’t be reached yet', async () => {
  const { to, cookie } = await opens(link());
  await second.act('tokens', { bot: true });
  expect((await returns(hub.allows(to, SECOND), cookie)).status).toBe(200);
  const same = { id: 'U0SAME' };
  const [ann, eve] = [await first.person('Ann', same), await second.person('Eve', { ...same, admin: true })];
  const shared = await first.channel('shared', [ann], { id: 'C0SHARED' });
  await second.channel('shared', [eve], { id: shared });
  await ann.types(shared, 'imagine an otter');
  await until(
    async () => textOf((await first.messages(shared)).at(-1)?.blocks ?? []).includes('otter'),
    'an otter',
  );
  await eve.types(shared, 'queue show');
  await until(
    async () => textOf((await eve.whispers()).at(-1)?.blocks ?? []).includes('The queue is empty'),
    'her own',
  );
  await eve.types(shared, 'rules block member:<@U0SAME>');
  const { records } = house.storage;
  const isBlocked = async (externalId: string) => {
    const member = await records.memberByExternalId('slack', externalId);
    return member !== null && records.isBlocked('slack', member.id);
  };
  await until(() => isBlocked(`${SECOND.team}/${same.id}`), 'a block');
  expect(await isBlocked(same.id)).toBe(false);
  const channels = (await records.channels('slack')).filter(({ name }) => name === 'shared');
  expect(channels.map(({ serverId }) => serverId)).toEqual([FIRST.team, SECOND.team]);

  await bot.stop();
  let open = () => {};
  hub.held = { token: SECOND.token, until: new Promise((resolve) => (open = resolve)) };
  hub.calls.splice(0);
  await begin({ clientId: 'the app', clientSecret: 'the secret' });
  const zoe = await second.person('Zoe in time');
  const early = await second.channel('early', [zoe]);
  const asked = zoe.types(early, 'imagine a newt');
  await until(() => hub.calls.some((call) => call.startsWith(SECOND.token)), 'a question to Slack');
  open();
  expect(await asked).toBe(true);
  await until(
    async () => textOf((await second.messages(early)).at(-1)?.blocks ?? []).includes('newt'),
    'a newt',
  );
  expect(hub.calls.filter((call) => call.includes(early) && call.startsWith(FIRST.token))).toEqual([]);
  await second.act('uninstall');
  await until(async () => (await records.installations('slack')).length === 0, 'the end');
});

it('needs no bot token, and proves by PKCE that it began where the app has no secret', async () => {
  await bot.stop();
  await begin({ clientId: 'the app', clientSecret: null }, null);
  await second.act('tokens', { bot: true });
  const { to, cookie } = await opens(link());
  expect(to.searchParams.get('code_challenge_method')).toBe('S256');
  expect((await returns(hub.allows(to, SECOND), cookie)).page).toContain('Krona is in Second');
  const zoe = await second.person('Zoe again');
  expect(await asks(zoe, second, await second.channel('more-toys', [zoe]))).not.toBe('');

  await bot.stop();
  const before = complaints.length;
  await begin({ clientId: 'the app', clientSecret: null }, null, 'another secret');
  await until(() => complaints.slice(before).join().includes('another KRONA_SECRET'), 'the warning');
});
