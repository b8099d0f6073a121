/** The REST API: a channel's commands with a token, within the channel's rules, and webhooks about their results. */
import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { WorkJson } from '../../bot/api/work-view.ts';
import { openApi } from '../../bot/api/openapi.ts';
import { watchWebhooks } from '../../bot/api/webhooks.ts';
import { type Bot, startBot } from '../../bot/main.ts';
import { advanceDuel, cancelDuel } from '../../commands/votes/advance-duel.ts';
import { openDuel } from '../../commands/votes/open-duel.ts';
import type { Channel } from '../../core/records.ts';
import { openHouse, type TestHouse } from '../helpers/house.ts';
import { newRun, newSubject } from '../helpers/new-records.ts';
import { until } from '../helpers/until.ts';
import { PlayedWorker, sprite } from './world.ts';

const log = { info: () => {}, warn: () => {}, error: () => {} };

let hooks: Hooks;
let house: TestHouse;
let bot: Bot;
let worker: PlayedWorker;
let channel: Channel;
let cookie: string;
beforeAll(async () => {
  hooks = await Hooks.start();
  house = await openHouse({ KRONA_WEBHOOK_ORIGINS: hooks.origin });
  bot = await startBot(house.storage, house.config, { log });
  worker = new PlayedWorker(house.storage);
  channel = await house.storage.records.channel('web', 'general', 'general');
  cookie = await moderator();
});
afterAll(async () => {
  await bot.stop();
  await house.close();
  await hooks.stop();
});

/** A server that webhooks are sent to. */
class Hooks {
  readonly got: { readonly headers: IncomingHttpHeaders; readonly body: string }[] = [];
  /** Requests that are refused before one is taken. */
  refusals = 0;
  /** Requests to `/mute`, which are never answered. */
  unanswered = 0;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<Hooks> {
    const server = createServer();
    const hooks = new Hooks(server);
    server.on('request', (request, response) => {
      if (request.url === '/mute') {
        hooks.unanswered += 1;
        return;
      }
      let body = '';
      request.setEncoding('utf8').on('data', (part: string) => (body += part));
      request.on('end', () => {
        hooks.got.push({ headers: request.headers, body });
        response.writeHead(hooks.refusals-- > 0 ? 503 : 204).end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return hooks;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }
}

async function moderator(): Promise<string> {
  const opened = await fetch(bot.moderatorAddress, { redirect: 'manual' });
  const key = opened.headers.get('set-cookie')!.split(';')[0]!;
  const named = await fetch(`${bot.address}/api/me`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', cookie: key },
    body: JSON.stringify({ name: 'Boss' }),
  });
  return `${key}; ${named.headers.get('set-cookie')!.split(';')[0]!}`;
}

interface Answer {
  readonly status: number;
  readonly body: {
    readonly error?: { readonly code: string; readonly message: string };
    readonly work?: WorkJson;
    readonly notes?: readonly string[];
    readonly [name: string]: unknown;
  };
}

async function ask(path: string, init: RequestInit): Promise<Answer> {
  const response = await fetch(bot.address + path, init);
  return { status: response.status, body: (await response.json()) as Answer['body'] };
}

const administer = (method: string, path: string, body: object = {}) =>
  ask(`/api/administration${path}`, {
    method,
    headers: { 'content-type': 'application/json', cookie },
    ...(method !== 'GET' && { body: JSON.stringify(body) }),
  });

interface Program {
  readonly webhookKey: string | null;
  readonly send: (method: string, path: string, body?: object | FormData) => Promise<Answer>;
}

async function program(name: string, webhook = '', place = channel): Promise<Program> {
  const { status, body } = await administer('POST', '/tokens', { channel: place.id, name, webhook });
  expect(status).toBe(201);
  const authorization = `Bearer ${String(body['token'])}`;
  return {
    webhookKey: body['webhookKey'] as string | null,
    send: (method, path, body) =>
      ask(`/api/v1${path}`, {
        method,
        headers: {
          authorization,
          ...(body && !(body instanceof FormData) && { 'content-type': 'application/json' }),
        },
        ...(body && { body: body instanceof FormData ? body : JSON.stringify(body) }),
      }),
  };
}

describe('with a token', () => {
  it('a program draws, follows the state, sees pictures and votes on them', async () => {
    const { send } = await program('press');
    const asked = await send('POST', '/imagine', { prompt: 'a fox', count: 1, seed: 7 });
    expect(asked.status).toBe(202);
    const { id } = asked.body.work!;
    expect(asked.body.work).toMatchObject({ kind: 'imagine', state: 'queued', pictures: [], failure: null });
    await worker.draw(await worker.set(), [await sprite('fox', '#fff')]);
    const { work } = (await send('GET', `/work/${id}`)).body;
    expect(work).toMatchObject({ state: 'done', pictures: [{ seed: 7, votes: { for: 0, against: 0 } }] });
    const [picture] = work!.pictures;
    const file = await fetch(picture!.url!);
    expect([file.status, file.headers.get('content-type')]).toEqual([200, 'image/png']);
    const vote = (side: string) => send('PUT', `/pictures/${picture!.id}/votes`, { vote: side });
    expect((await vote('for')).body.work!.pictures[0]!.votes).toEqual({ for: 1, against: 0 });
    expect((await vote('against')).body.work!.pictures[0]!.votes).toEqual({ for: 0, against: 1 });
    expect((await vote('none')).body.work!.pictures[0]!.votes).toEqual({ for: 0, against: 0 });
    // The chat shows the set as any other.
    const shown = await until(async () => house.storage.records.postOf(id), 'a message about the set');
    expect(shown.channelId).toBe(channel.id);
  });

  it('a program has a picture enlarged', async () => {
    const { send } = await program('lens');
    const form = new FormData();
    form.set('by', 'x4');
    form.set('picture', new File([new Uint8Array(await sprite('fox', '#abc', 96))], 'fox.png'));
    expect(await send('POST', '/upscale', form)).toMatchObject({
      status: 202,
      body: { work: { kind: 'imagine' } },
    });
    const set = await worker.set();
    expect(set).toMatchObject({ kind: 'upscale', settings: { upscale: 'x4', size: '96x96' } });
    await worker.draw(set, [await sprite('fox', '#abd')]);
    expect((await send('POST', '/upscale', { by: 'x4' })).body.error?.code).toBe('NO_PHOTOS');
  });

  it('a program sends photos, trains and gets the adapter', async () => {
    const { send } = await program('trainer');
    const form = new FormData();
    form.set('subject', 'mochi');
    form.set('class', 'cat');
    for (const [n, colour] of ['#abc', '#cba', '#bca', '#cab'].entries())
      form.append(
        'photos',
        new File([new Uint8Array(await sprite('cat-face', colour, 96, n * 20))], `${n}.png`),
      );
    const trained = await send('POST', '/train', form);
    expect(trained).toMatchObject({ status: 202, body: { work: { kind: 'train', state: 'queued' } } });
    const run = await worker.run();
    await worker.adapter(run, 5, true);
    await worker.finish(run);
    const { work } = (await send('GET', `/work/${trained.body.work!.id}`)).body;
    expect(work).toMatchObject({ state: 'done', adapters: [{ step: 5, final: true }] });
    const { adapters } = (await send('GET', '/adapters')).body as { adapters?: unknown[] };
    expect(adapters).toHaveLength(1);
    expect((await fetch(work!.adapters[0]!.url)).status).toBe(200);
  });

  it('cancels what it asked for, and nothing else', async () => {
    const [mine, other] = [await program('mine'), await program('other')];
    const { work } = (await mine.send('POST', '/imagine', { prompt: 'a bird' })).body;
    expect(await other.send('DELETE', `/work/${work!.id}`)).toMatchObject({
      status: 403,
      body: { error: { code: 'NOT_ALLOWED' } },
    });
    expect(await mine.send('DELETE', `/work/${work!.id}`)).toMatchObject({
      status: 200,
      body: { work: { state: 'cancelled' } },
    });
  });

  it("holds to the channel's rules: refused words, quotas, blocks", async () => {
    const { records } = house.storage;
    const { send } = await program('bounded');
    const before = await records.rules(channel.id);
    const rules = { ...before, words: ['gun'], member: { ...before.member, pictures: 2 } };
    await records.saveRules(channel.id, rules);
    const code = async (body: object) => {
      const { status, body: answer } = await send('POST', '/imagine', body);
      return [status, answer.error?.code];
    };
    expect(await code({ prompt: 'a gun' })).toEqual([400, 'PROMPT_REFUSED']);
    expect(await code({ prompt: 'a cup', count: 3 })).toEqual([429, 'QUOTA_EXCEEDED']);
    const member = (await records.membersOn('web')).find(({ name }) => name === 'bounded (API)');
    await records.saveRules(channel.id, { ...rules, blocked: [member!.id] });
    expect(await code({ prompt: 'a cup', count: 1 })).toEqual([403, 'BLOCKED']);
    await records.saveRules(channel.id, before);
  });

  it('a member who is blocked gets no files and cancels nothing', async () => {
    const { records } = house.storage;
    const { send } = await program('blocked');
    const { work } = (await send('POST', '/imagine', { prompt: 'a cup', count: 1 })).body;
    const before = await records.rules(channel.id);
    const member = (await records.membersOn('web')).find(({ name }) => name === 'blocked (API)');
    await records.saveRules(channel.id, { ...before, blocked: [member!.id] });
    for (const [method, path] of [
      ['GET', '/adapters'],
      ['DELETE', `/work/${work!.id}`],
    ] as const)
      expect(await send(method, path)).toMatchObject({ status: 403, body: { error: { code: 'BLOCKED' } } });
    await records.saveRules(channel.id, before);
    expect((await send('DELETE', `/work/${work!.id}`)).body.work?.state).toBe('cancelled');
  });

  it('the pair of an open duel tells nothing of its adapters', async () => {
    const { records } = house.storage;
    const place = await records.channel('web', 'duels', 'duels');
    const member = await records.member('web', 'ann', 'Ann');
    const subject = await records.addSubject(newSubject({ channelId: place.id, ownerId: member.id }));
    const run = await records.addRun(newRun(subject, { state: 'done' }));
    const [a, b] = [await worker.adapter(run, 100, false), await worker.adapter(run, 200, true)];
    const [first, second] = [await records.adapter(a), await records.adapter(b)];
    const duel = await records.transaction((within) =>
      openDuel(within, { channel: place, member }, { subject, first: first!, second: second! }),
    );
    await advanceDuel(records, duel.id);
    const [pair] = await records.setsOfDuel(duel.id);
    await worker.draw(pair!, [await sprite('fox', '#fff'), await sprite('fox', '#eee')]);
    const { send } = await program('spy', '', place);
    const seeds = async () =>
      (await send('GET', `/work/${pair!.id}`)).body.work!.pictures.map(({ seed }) => seed);
    expect(await seeds()).toEqual([null, null]);
    await records.transaction((within) => cancelDuel(within, duel, 'Enough.'));
    expect(await seeds()).toEqual([pair!.seed, pair!.seed + 1]);
  });

  it('refuses what no command takes, and jobs of other channels', async () => {
    const { send } = await program('careless');
    const code = async (path: string, body?: object) =>
      (await send(body ? 'POST' : 'GET', path, body)).body.error?.code;
    expect(await code('/imagine', { prompt: 'x', colour: 'red' })).toBe('OPTION_UNKNOWN');
    expect(await code('/imagine', {})).toBe('OPTION_MISSING');
    expect(await code('/imagine', { prompt: { text: 'x' } })).toBe('REQUEST_INVALID');
    expect(await code(`/work/${randomUUID()}`)).toBe('WORK_UNKNOWN');
    expect(await code('/work/1')).toBe('ID_INVALID');
    expect(await code('/nowhere')).toBe('NOT_FOUND');
  });
});

describe('a form', () => {
  const part = (headers: string, content: Uint8Array | string) => [
    `--x\r\n${headers}\r\n\r\n`,
    content,
    '\r\n',
  ];
  const text = (name: string, value: string) => part(`Content-Disposition: form-data; name="${name}"`, value);
  const file = (bytes: Uint8Array, field = 'photos', name = 'a.png') =>
    part(`Content-Disposition: form-data; name="${field}"; filename="${name}"`, bytes);
  const subject = [...text('subject', 'fuji'), ...text('class', 'mountain')];
  async function sent(...parts: readonly (Uint8Array | string)[]) {
    const { token } = (
      await administer('POST', '/tokens', { channel: channel.id, name: 'forms', webhook: '' })
    ).body;
    return ask('/api/v1/photos', {
      method: 'POST',
      headers: {
        authorization: `Bearer ${String(token)}`,
        'content-type': 'Multipart/Form-Data; boundary=x',
      },
      body: new Blob(parts.map((each) => (typeof each === 'string' ? each : new Uint8Array(each)))),
    });
  }
  const refusal = async (...parts: readonly (Uint8Array | string)[]) =>
    (await sent(...parts)).body.error?.code;

  it('takes photos as cameras make them', async () => {
    const photo = await sharp(randomBytes(3 * 700 * 700), { raw: { width: 700, height: 700, channels: 3 } })
      .png()
      .toBuffer();
    expect(photo.length).toBeGreaterThan(1e6);
    const { status, body } = await sent(...subject, ...file(photo, 'photos', '../\u202efuji.png'), '--x--');
    expect([status, body.notes?.[0]]).toEqual([202, '1 photo of fuji added']);
    // Nothing of it stays where photos wait for their command.
    expect(await readdir(join(house.config.dataFolder, 'uploads'))).toEqual([]);
  });

  it('is refused as soon as it is wrong, and leaves nothing behind', async () => {
    const photo = await sprite('fox', '#abc');
    expect(await refusal(...subject, ...subject, '--x--')).toBe('OPTION_TWICE');
    expect(await refusal(...subject, ...file(photo, 'prompt'), '--x--')).toBe('REQUEST_INVALID');
    expect(await refusal(...subject, ...Array.from({ length: 11 }, () => file(photo)).flat(), '--x--')).toBe(
      'TOO_MANY_FILES',
    );
    expect(await refusal(...subject, ...file(photo))).toBe('REQUEST_INVALID');
    expect(await refusal(...text('subject', 'a'.repeat(70_000)), '--x--')).toBe('REQUEST_TOO_LARGE');
    expect(await refusal('nothing')).toBe('REQUEST_INVALID');
    const many = Array.from({ length: 5_000 }, (_, n) => text(`n${n}`, '1')).flat();
    const { body } = await sent(...many, '--x--');
    expect(body.error).toMatchObject({ code: 'REQUEST_INVALID', message: /too many parts/ });
    expect(await readdir(join(house.config.dataFolder, 'uploads'))).toEqual([]);
  });
});

it('a request without files is small', async () => {
  const { send } = await program('talkative');
  const { status, body } = await send('POST', '/imagine', { prompt: 'a'.repeat(70_000) });
  expect([status, body.error?.code]).toEqual([413, 'REQUEST_TOO_LARGE']);
});

it('without a valid token, nothing is answered but the document', async () => {
  const wrong = `Bearer krona_${'a'.repeat(43)}`;
  for (const headers of [{}, { authorization: wrong }, { authorization: 'Basic x' }, { cookie }])
    expect(await ask('/api/v1/adapters', { headers })).toMatchObject({
      status: 401,
      body: { error: { code: 'API_TOKEN_INVALID' } },
    });
  expect((await ask('/api/v1/openapi.json', {})).body).toMatchObject({ openapi: '3.1.0' });
});

it('a revoked token is refused at once', async () => {
  const { send } = await program('short-lived');
  expect((await send('GET', '/adapters')).status).toBe(200);
  const { body } = await administer('GET', '');
  const token = (body['tokens'] as { id: string; name: string }[]).find(({ name }) => name === 'short-lived');
  expect((await administer('DELETE', `/tokens/${token!.id}`)).status).toBe(200);
  expect((await send('GET', '/adapters')).status).toBe(401);
  const { body: after } = await administer('GET', '');
  expect((after['log'] as { details: string; memberName: string }[])[0]).toMatchObject({
    details: 'API token “short-lived” revoked',
    memberName: 'Boss',
  });
});

it('the document refers only to what it has, and every path is answered', async () => {
  const document = openApi(`${bot.address}/api/v1`);
  const text = JSON.stringify(document);
  const { components, paths } = document as {
    components: { schemas: object };
    paths: Record<string, Record<string, unknown>>;
  };
  const names = [...text.matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name!);
  expect(names.filter((name) => !(name in components.schemas))).toEqual([]);
  const { send } = await program('reader');
  for (const [path, methods] of Object.entries(paths))
    for (const method of Object.keys(methods).filter((each) => each !== 'parameters')) {
      const { body } = await send(
        method.toUpperCase(),
        path.replace('{id}', randomUUID()),
        method === 'post' || method === 'put' ? { vote: 'for' } : undefined,
      );
      expect([path, body.error?.code ?? '']).not.toEqual([path, 'NOT_FOUND']);
    }
});

describe('a webhook', () => {
  it('is told when work ends, signed, and again after a failure', async () => {
    const { send, webhookKey } = await program('listener', `${hooks.origin}/krona`);
    hooks.got.length = 0;
    hooks.refusals = 1;
    const stop = watchWebhooks({
      context: house.storage,
      link: (hash) => `${bot.address}/blobs/${hash}`,
      secret: house.config.secret,
      origins: [hooks.origin],
      log,
      lookEvery: 20,
      pauses: { first: 20, longest: 20 },
    });
    const { id } = (await send('POST', '/imagine', { prompt: 'a ship', count: 1 })).body.work!;
    await worker.draw(await worker.set(), [await sprite('ship', '#fff')]);
    const told = await until(async () => (hooks.got.length >= 2 ? hooks.got.at(-1) : null), 'two tries');
    await stop();
    const sent = JSON.parse(told.body) as { id: string; type: string; work: WorkJson };
    expect(sent).toMatchObject({ type: 'work.ended', work: { id, state: 'done', pictures: [{}] } });
    // Both tries are the same delivery.
    expect((JSON.parse(hooks.got[0]!.body) as { id: string }).id).toBe(sent.id);
    const [, seconds, signature] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(
      String(told.headers['krona-signature']),
    )!;
    const expected = createHmac('sha256', webhookKey!).update(`${seconds}.${told.body}`).digest('hex');
    expect(signature).toBe(expected);
    expect(await house.storage.records.dueDeliveries(10)).toEqual([]);
  });

  it('that is never answered keeps no other waiting, nor the bot when it stops', async () => {
    const [mute, other] = [
      await program('mute', `${hooks.origin}/mute`),
      await program('other', hooks.origin),
    ];
    const cancelled = async ({ send }: Program) => {
      const { id } = (await send('POST', '/imagine', { prompt: 'a bell', count: 1 })).body.work!;
      await send('DELETE', `/work/${id}`);
      return id;
    };
    const unheard = await cancelled(mute);
    hooks.got.length = 0;
    const stop = watchWebhooks({
      context: house.storage,
      link: (hash) => `${bot.address}/blobs/${hash}`,
      secret: house.config.secret,
      origins: [hooks.origin],
      log,
      lookEvery: 20,
    });
    await until(async () => hooks.unanswered > 0, 'a request that is not answered');
    const heard = await cancelled(other);
    const told = await until(async () => hooks.got[0], 'the other webhook');
    expect((JSON.parse(told.body) as { work: WorkJson }).work.id).toBe(heard);
    await stop();
    // It was not told in vain: the next start tells it.
    const due = await house.storage.records.dueDeliveries(10);
    expect(due).toContainEqual(expect.objectContaining({ workId: unheard, tries: 0 }));
    await house.storage.records.forgetDeliveries(unheard);
  });

  it('goes nowhere that the administrator has not named', async () => {
    const { host } = new URL(hooks.origin);
    const disguised = [`blob:${hooks.origin}/x`, `http://:pw@${host}/`, `http://${host}@evil.example/`];
    for (const webhook of [
      'http://127.0.0.1:1/',
      'https://evil.example/',
      'file:///etc/passwd',
      'x',
      ...disguised,
    ])
      expect(await administer('POST', '/tokens', { channel: channel.id, name: 'x', webhook })).toMatchObject({
        status: 400,
        body: { error: { code: 'WEBHOOK_NOT_ALLOWED' } },
      });
  });
});
