/** What can go wrong with Slack, provoked one by one, and what the gateway makes of it. */
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { CompletionEvent, GatewayHandlers, InvocationEvent, ReactionEvent } from '../../bot/gateway.ts';
import { asError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { startBot } from '../../bot/main.ts';
import { NEEDED_SCOPES } from '../../bot/slack/scopes.ts';
import { SlackApi } from '../../bot/slack/web-api.ts';
import { SlackGateway } from '../../bot/slack/slack-gateway.ts';
import type { Card } from '../../commands/card.ts';
import type { Channel } from '../../core/records.ts';
import { FakeSlack, imagesOf, type Person, textOf } from '../fakes/slack/fake-slack.ts';
import { putClockForward } from '../helpers/clock.ts';
import { until } from '../helpers/until.ts';
import { catPhotos, drawings } from './slack-world.ts';
import type { TestHouse } from '../helpers/house.ts';
import { openServerHouse } from '../helpers/server-house.ts';

let slack: FakeSlack;
let house: TestHouse;
let mia: Person;
let ada: Person;
beforeAll(async () => {
  [slack, house] = await Promise.all([FakeSlack.start(), openServerHouse()]);
  mia = await slack.person('Mia');
  ada = await slack.person('Ada', { admin: true });
}, 300_000);
afterAll(async () => {
  await slack.stop();
  await house.close();
});

const logged: string[] = [];
const say = (_: object, message: string) => void logged.push(message);
const log: Log = { info: say, warn: say, error: say };

/** Events that came, and what is done with them unless a test says so. */
class Desk implements GatewayHandlers {
  readonly invocations: InvocationEvent[] = [];
  readonly reactions: ReactionEvent[] = [];
  readonly completions: CompletionEvent[] = [];
  returns = 0;
  onInvocation = async (event: InvocationEvent): Promise<void> => void this.invocations.push(event);
  onAction: GatewayHandlers['onAction'] = async () => {};
  onCompletion = async (event: CompletionEvent): Promise<string[]> => {
    this.completions.push(event);
    return [];
  };
  onReaction = async (event: ReactionEvent): Promise<boolean> => this.reactions.push(event) > 0;
  onMissed = async (): Promise<void> => void (this.returns += 1);
}

const open: SlackGateway[] = [];
const shared = { secret: 'a secret', address: () => 'http://krona.test' };
async function start(desk = new Desk()): Promise<{ gateway: SlackGateway; desk: Desk }> {
  const link = (hash: string, name: string) => `http://krona.test/${hash}/${name}`;
  const gateway = new SlackGateway({ config: slack.config(), context: house.storage, log, link, ...shared });
  await gateway.start(desk);
  open.push(gateway);
  return { gateway, desk };
}

const card = (title: string, more: Partial<Card> = {}): Card => ({ tone: 'info', title, ...more });

async function blob(bytes: Uint8Array): Promise<string> {
  return (await house.storage.blobs.put(bytes)).hash;
}

async function gallery(title: string): Promise<Card> {
  const hashes = await Promise.all((await drawings(2)).map(blob));
  return card(title, {
    pictures: hashes.map((blobHash, n) => ({
      id: `${n}`,
      blobHash,
      alt: `picture ${n}`,
      caption: `${n + 1}`,
    })),
  });
}

describe('Slack as a gateway', () => {
  let place: Channel;
  beforeEach(async () => {
    logged.length = 0;
    const id = await slack.channel('pets', [mia, ada]);
    place = await house.storage.records.channel('slack', id, 'pets');
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    await Promise.all(open.splice(0).map((gateway) => gateway.stop()));
  });
  const titles = async () =>
    (await slack.messages(place.externalId)).map(({ blocks }) => textOf(blocks).split('\n')[0]);

  it('reports a refused token in one line', async () => {
    const config = slack.config();
    const wrong = [
      [{ ...config, botToken: 'xapp-swapped' }, 'SLACK_BOT_TOKEN'],
      [{ ...config, botToken: 'xoxb-unknown' }, 'SLACK_BOT_TOKEN'],
      [{ ...config, appToken: 'xapp-unknown' }, 'SLACK_APP_TOKEN'],
    ] as const;
    for (const [given, variable] of wrong) {
      const failed = await startBot(house.storage, { ...house.config, slack: given }, { log }).catch(
        (e: unknown) => e,
      );
      expect(failed).toMatchObject({ code: 'SLACK_TOKEN_INVALID' });
      expect((failed as Error).message).toContain(variable);
      expect((failed as Error).message).not.toContain('unknown');
    }
  });

  it.each(['an error', 'missing_scope'])(
    'never repeats a token that %s of a proxy repeats',
    async (error) => {
      const proxy = createServer((request, response) => {
        const { authorization: said } = request.headers;
        const answer = { ok: false, error: error === 'an error' ? said : error, needed: said };
        response.setHeader('content-type', 'application/json').end(JSON.stringify(answer));
      });
      await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
      const { port } = proxy.address() as AddressInfo;
      const api = new SlackApi('xoxb-hush-hush', `http://127.0.0.1:${port}/api/`, log);
      const failure = await api.call('chat.update', (client) => client.auth.test()).catch(asError);
      await new Promise((resolve) => proxy.close(resolve));
      expect((failure as Error).message).toMatch(/chat\.update.* (gave no reason|does not name)/);
      expect((failure as Error).message).not.toContain('hush');
    },
  );

  it('names a missing scope and what fails without it', async () => {
    await slack.act('scope', { name: 'files:write', granted: false });
    const { gateway } = await start();
    expect(logged.join()).toMatch(
      /lacks the scope files:write, so it cannot show pictures\. Add it .* reinstall/,
    );
    const posting = gateway.post(place, await gallery('needs pictures'), randomUUID());
    await expect(posting).rejects.toMatchObject({
      code: 'POST_FORBIDDEN',
      message: expect.stringMatching(/scope files:write/) as string,
    });
    await slack.act('scope', { name: 'files:write', granted: true });
  });

  it('names every missing scope at start, and works without the optional ones', async () => {
    const grant = (granted: boolean) =>
      Promise.all(NEEDED_SCOPES.map(({ scope: name }) => slack.act('scope', { name, granted })));
    await grant(false);
    const { gateway, desk } = await start();
    for (const { scope, without } of NEEDED_SCOPES)
      expect(logged.join()).toContain(`lacks the scope ${scope}, so ${without}. Add it`);
    await expect(gateway.post(place, card('never'), randomUUID())).rejects.toMatchObject({
      code: 'POST_FORBIDDEN',
      message: expect.stringMatching(/scope chat:write\. .*reinstall/) as string,
    });
    // Nobody knows who asks, but he is heard, and answered.
    await mia.types(place.externalId, 'queue');
    const event = await until(() => desk.invocations.at(-1), 'the command');
    expect(event).toMatchObject({ member: { externalId: mia.id, name: 'mia' }, moderator: false });
    await event.answer([card('heard all the same', { audience: 'caller' })]);
    expect(textOf((await mia.whispers()).at(-1)!.blocks)).toContain('heard all the same');
    // Without the scope for reactions pictures stand there without their numbers.
    for (const name of ['chat:write', 'files:write', 'files:read'])
      await slack.act('scope', { name, granted: true });
    logged.length = 0;
    await gateway.post(place, { ...(await gallery('bare')), votesOn: randomUUID() }, randomUUID());
    await until(() => logged.some((line) => line.includes('the numbers to vote with')), 'the word about it');
    expect(imagesOf((await slack.messages(place.externalId))[0]!.blocks)).toHaveLength(2);
    await grant(true);
  });

  it('links a file that is too large for a message', async () => {
    const { gateway } = await start();
    const blobHash = await blob(Buffer.from('an adapter'));
    const files = [
      { name: 'huge.safetensors', blobHash, size: 200 * 1024 ** 2 },
      { name: 'small.safetensors', blobHash, size: 10 },
    ];
    await gateway.post(place, card('learnt', { files }), randomUUID());
    const [message] = await slack.messages(place.externalId);
    for (const { name } of files)
      expect(textOf(message!.blocks)).toContain(`<http://krona.test/${blobHash}/${name}|${name}>`);
    const inThread = async () =>
      (await slack.see()).files.filter(({ shares }) => shares.length > 0).map(({ name }) => name);
    await until(async () => (await inThread()).includes('small.safetensors'), 'the small one in the thread');
    expect(await inThread()).not.toContain('huge.safetensors');
  });

  it('acknowledges a command while its handler is busy', async () => {
    let free: (() => void) | null = null;
    const desk = new Desk();
    desk.onInvocation = () => new Promise((resolve) => (free = resolve));
    await start(desk);
    expect(await mia.types(place.externalId, 'queue')).toBe(true);
    const finish = await until(() => free, 'it to come');
    finish();
  });

  it('knows who acts: names, admins, user groups', async () => {
    await slack.act('addGroup', { id: 'S0ARTISTS', handle: 'artists', users: [ada.id] });
    const { desk } = await start();
    await ada.types(place.externalId, 'queue');
    await mia.types(place.externalId, 'imagine <@U1> & co');
    await until(() => desk.invocations.length === 2, 'both');
    const [first, second] = desk.invocations;
    expect(first).toMatchObject({
      member: { externalId: ada.id, name: 'Ada' },
      moderator: true,
      roles: ['S0ARTISTS'],
    });
    expect(second).toMatchObject({ moderator: false, command: 'imagine', options: { prompt: '<@U1> & co' } });
    expect(second).not.toHaveProperty('roles');
  });

  it('reads mentions as ids for members and roles, and as text elsewhere', async () => {
    await slack.act('addGroup', { id: 'S0ARTISTS', handle: 'artists', users: [ada.id] });
    const { desk } = await start();
    const prompt = 'imagine @ada & <b> in #pets, <@U1> at https://krona.test/?a=1&b=2 @here @nobody @artists';
    const lines = [prompt, 'rules block @mia', 'rules roles right:imagine who:"@artists, S9"'];
    for (const names of [true, false]) {
      await slack.act('declareCommand', { names });
      desk.invocations.length = 0;
      for (const line of lines) await ada.types(place.externalId, line);
      await until(() => desk.invocations.length === lines.length, 'all');
      const options = desk.invocations.map((event) => event.options);
      const asTyped = prompt.slice('imagine '.length);
      expect(options).toEqual(
        names
          ? [
              { prompt: asTyped },
              { member: `<@${mia.id}|mia>` },
              { right: 'imagine', who: '<!subteam^S0ARTISTS|artists>, S9' },
            ]
          : [
              { prompt: asTyped.replace('@ada', '@Ada').replace('@artists', '@S0ARTISTS') },
              { member: `<@${mia.id}|Mia>` },
              { right: 'imagine', who: '<!subteam^S0ARTISTS>, S9' },
            ],
      );
    }
    await slack.act('declareCommand', { names: true });
    await mia.types(place.externalId, '@ada please');
    await until(
      async () => textOf((await mia.whispers()).at(-1)?.blocks ?? []).includes('no command “@ada”'),
      'the word about it',
    );
  });

  it('says what to do when an older manifest sends mentions without ids', async () => {
    await slack.act('declareCommand', { shouldEscape: false });
    const { desk } = await start();
    for (const line of ['rules block @mia', 'rules roles imagine "@artists"']) {
      const before = (await ada.whispers()).length;
      await ada.types(place.externalId, line);
      const told = await until(async () => (await ada.whispers())[before], 'the word about it');
      expect(textOf(told.blocks)).toMatch(/“@(mia|artists)”.*App Manifest.*krona slack manifest/s);
    }
    await ada.types(place.externalId, 'imagine @ada & <b>');
    await ada.types(place.externalId, `rules block <@${mia.id}>`);
    await until(() => desk.invocations.length === 2, 'the others');
    expect(desk.invocations.map(({ options }) => options)).toEqual([
      { prompt: '@ada & <b>' },
      { member: `<@${mia.id}>` },
    ]);
    await slack.act('declareCommand', { shouldEscape: true });
  });

  it("says that it can't post and how to allow it; answers still reach the caller", async () => {
    const elsewhere = await slack.channel('elsewhere', [mia], { withBot: false });
    const hidden = await slack.channel('hidden', [mia], { withBot: false, isPrivate: true });
    const closed = await slack.channel('closed', [mia]);
    await slack.act('channel', { channel: closed, restricted: true });
    const { gateway, desk } = await start();
    const cases = [
      [elsewhere, /invite @krona/],
      [hidden, /invite @krona/],
      [closed, /posting permissions/],
    ] as const;
    for (const [n, [id, words]] of cases.entries()) {
      const channel = await house.storage.records.channel('slack', id, 'there');
      await mia.types(id, 'queue');
      await until(() => desk.invocations.length === n + 1, 'the command');
      await expect(gateway.post(channel, card('x'), randomUUID())).rejects.toMatchObject({
        code: 'POST_FORBIDDEN',
        message: expect.stringMatching(words) as string,
      });
    }
    await desk.invocations[0]!.answer([card('Done all the same')]);
    const shown = (await mia.whispers())
      .filter(({ channel }) => channel === elsewhere)
      .map(({ blocks }) => textOf(blocks));
    expect(shown.at(-1)).toContain('Done all the same');
  });

  it("recognises deleted channels and messages, and messages that can't be edited", async () => {
    const { gateway } = await start();
    const ts = await gateway.post(place, card('one'), randomUUID());
    const old = await gateway.post(place, card('two'), randomUUID());
    await slack.act('lockMessage', { channel: place.externalId, ts: old });
    await expect(gateway.edit(place, old, card('new'))).rejects.toMatchObject({ code: 'MESSAGE_STALE' });
    await ada.deletes(place.externalId, ts);
    await expect(gateway.edit(place, ts, card('new'))).rejects.toMatchObject({ code: 'MESSAGE_GONE' });
    await expect(gateway.readReactions(place, ts)).rejects.toMatchObject({ code: 'MESSAGE_GONE' });
    await slack.act('channel', { channel: place.externalId, archived: true });
    await expect(gateway.post(place, card('three'), randomUUID())).rejects.toMatchObject({
      code: 'CHANNEL_GONE',
    });
    const archived = { code: 'CHANNEL_GONE', message: 'This channel is archived.' };
    await expect(gateway.edit(place, old, card('new'))).rejects.toMatchObject(archived);
    await expect(gateway.remove(place, old)).rejects.toMatchObject(archived);
    await slack.act('channel', { channel: place.externalId, deleted: true });
    await expect(gateway.post(place, card('three'), randomUUID())).rejects.toMatchObject({
      code: 'CHANNEL_GONE',
    });
    await expect(gateway.edit(place, old, card('new'))).rejects.toMatchObject({ code: 'MESSAGE_GONE' });
  });

  it('posts once when Slack’s answer is lost, or the process dies before recording the message', async () => {
    const { gateway } = await start();
    const nonce = randomUUID();
    await slack.act('fault', { method: 'chat.postMessage', kind: 'lose', times: 1 });
    await expect(gateway.post(place, card('once'), nonce)).rejects.toMatchObject({ retryable: true });
    const ts = await gateway.post(place, card('once'), nonce);
    expect(await titles()).toEqual(['once']);
    const after = await start();
    expect(await after.gateway.post(place, card('once'), nonce)).toBe(ts);
    expect(await titles()).toEqual(['once']);
  });

  it('posts without the history scopes, and says what that means', async () => {
    await slack.act('scope', { name: 'channels:history', granted: false });
    const { gateway } = await start();
    await gateway.post(place, card('blind'), randomUUID());
    expect(await titles()).toEqual(['blind']);
    expect(logged.join()).toContain('channels:history');
    await slack.act('scope', { name: 'channels:history', granted: true });
  });

  it('posts one message a second in a channel, in order, and obeys rate limits', async () => {
    const { gateway } = await start();
    const before = (await slack.see()).limited['chat.postMessage'] ?? 0;
    await Promise.all(['a', 'b', 'c'].map((title) => gateway.post(place, card(title), randomUUID())));
    expect(await titles()).toEqual(['a', 'b', 'c']);
    expect((await slack.see()).limited['chat.postMessage'] ?? 0).toBe(before);
    const [message] = await slack.messages(place.externalId);
    await slack.act('fault', { method: 'chat.update', kind: 'limit', times: 2, value: '1' });
    await gateway.edit(place, message!.ts, card('a, edited'));
    expect((await titles())[0]).toBe('a, edited');
    expect((await slack.see()).limited['chat.update']).toBe(2);
  });

  it('edits old messages less often, and also when many are active', async () => {
    const { gateway } = await start();
    expect(gateway.editInterval(0)).toBe(3_000);
    expect(gateway.editInterval(30 * 60_000)).toBeGreaterThan(3_000);
    expect(gateway.editInterval(5 * 3_600_000)).toBeGreaterThan(gateway.editInterval(30 * 60_000));
    for (let n = 0; n < 3; n++) {
      const ts = await gateway.post(place, card(`${n}`), randomUUID());
      await gateway.edit(place, ts, card(`${n} again`));
    }
    expect(gateway.editInterval(0)).toBeGreaterThan(3_000);
  });

  it('shows pictures that Slack processes slowly, WebP pictures, and deleted ones', async () => {
    await slack.act('fileDelay', { ms: 2_500 });
    const { gateway } = await start();
    const webp = await blob(
      await sharp((await drawings(1))[0])
        .webp()
        .toBuffer(),
    );
    const shown = await gallery('pictures');
    const picture = { id: 'w', blobHash: webp, alt: 'a WebP' };
    const all = { ...shown, pictures: [...shown.pictures!, picture] };
    const ts = await gateway.post(place, all, randomUUID());
    await slack.act('fileDelay', { ms: 300 });
    const images = async () => imagesOf((await slack.messages(place.externalId))[0]!.blocks);
    const [first, ...others] = await images();
    expect(others).toHaveLength(2);
    await slack.act('deleteFile', { file: first });
    await gateway.edit(place, ts, { ...all, title: 'pictures, edited' });
    const [again, ...same] = await images();
    expect(again).not.toBe(first);
    expect(same).toEqual(others);
    expect((await titles())[0]).toBe('pictures, edited');
  });

  it('delivers a form’s answer another way when its address has expired', async () => {
    const { desk } = await start();
    await mia.types(place.externalId, 'photos add subject:rex class:dog');
    await until(() => mia.form(), 'the form');
    await slack.act('advance', { ms: 31 * 60_000 });
    await mia.submits({ consent: true }, await catPhotos(1));
    const event = await until(() => desk.invocations.at(-1), 'the submission');
    expect(event).toMatchObject({
      command: 'photos',
      action: 'add',
      options: { subject: 'rex', class: 'dog' },
    });
    const before = (await slack.see()).calls['chat.postEphemeral'] ?? 0;
    await event.answer([card('for you alone', { audience: 'caller' })]);
    expect((await slack.see()).calls['chat.postEphemeral']).toBe(before + 1);
    expect(textOf((await mia.whispers()).at(-1)!.blocks)).toContain('for you alone');
  });

  it('answers at one address no more often than Slack allows', async () => {
    const { desk } = await start();
    await mia.types(place.externalId, 'queue');
    const event = await until(() => desk.invocations.at(-1), 'the command');
    const before = (await slack.see()).calls['chat.postEphemeral'] ?? 0;
    for (let n = 0; n < 7; n++) await event.answer([card(`whisper ${n}`, { audience: 'caller' })]);
    const texts = (await mia.whispers())
      .map(({ blocks }) => textOf(blocks))
      .filter((text) => text.includes('whisper'));
    expect(texts).toHaveLength(7);
    expect((await slack.see()).calls['chat.postEphemeral']).toBe(before + 2);
    expect(logged).toEqual([]);
  });

  it("asks the member to send a command again when Slack didn't open its form", async () => {
    await start();
    await slack.act('fault', { method: 'views.open', kind: 'refuse', times: 1, value: 'expired_trigger_id' });
    await mia.types(place.externalId, 'train subject:mochi class:cat');
    await until(
      async () => (await mia.whispers()).some(({ blocks }) => textOf(blocks).includes('FORM_EXPIRED')),
      'the word',
    );
    expect(await mia.form()).toBeNull();
  });

  it('asks for consent only when photos come with a training', async () => {
    const { desk } = await start();
    await mia.types(place.externalId, 'train subject:mochi class:cat steps:100');
    await until(() => mia.form(), 'the form');
    expect(await mia.submits({}, await catPhotos(1))).toMatchObject({
      consent: expect.stringMatching(/consent/) as string,
    });
    expect(await mia.submits({})).toBeNull();
    const event = await until(() => desk.invocations.at(-1), 'the submission');
    expect(event).toMatchObject({
      command: 'train',
      options: { subject: 'mochi', class: 'cat', steps: '100' },
      attachments: [],
    });
  });

  it("reads a photo, or says why it can't", async () => {
    const { desk } = await start();
    await mia.types(place.externalId, 'photos add subject:rex class:dog');
    await until(() => mia.form(), 'the form');
    const [photo] = await catPhotos(1);
    await mia.submits({ consent: true }, [photo!]);
    const { attachments } = await until(() => desk.invocations.at(-1), 'the submission');
    expect(attachments[0]).toMatchObject({ fileName: 'mochi-1.png', size: photo!.bytes.length });
    expect(Buffer.from(await attachments[0]!.read()).equals(photo!.bytes)).toBe(true);
    await slack.act('scope', { name: 'files:read', granted: false });
    await expect(attachments[0]!.read()).rejects.toMatchObject({
      code: 'ATTACHMENT_FORBIDDEN',
      message: expect.stringMatching(/scope files:read/) as string,
    });
    await slack.act('scope', { name: 'files:read', granted: true });
    const { id } = (await slack.see()).files.find(({ owner }) => owner === mia.id)!;
    for (const file of (await slack.see()).files.filter(({ owner }) => owner === mia.id))
      await slack.act('deleteFile', { file: file.id });
    expect(id).toBeTruthy();
    await expect(attachments[0]!.read()).rejects.toMatchObject({ code: 'ATTACHMENT_GONE' });
  });

  it('handles duplicate events once, and retries storing a reaction', async () => {
    const desk = new Desk();
    let stored = 0;
    desk.onReaction = async (event) => desk.reactions.push(event) > 1 && (stored += 1) > 0;
    const { gateway } = await start(desk);
    await mia.types(place.externalId, 'queue');
    expect(await slack.act('again')).toBe(true);
    expect(await slack.act('again')).toBe(true);
    const ts = await gateway.post(place, card('vote'), randomUUID());
    await mia.reacts(place.externalId, ts, '+1::skin-tone-3');
    await until(() => stored === 1, 'it to be stored');
    await slack.act('again');
    // Comes after all of those.
    await mia.types(place.externalId, 'help');
    await until(() => desk.invocations.at(-1)?.command === 'help', 'the last command');
    expect(desk.invocations.map(({ command }) => command)).toEqual(['queue', 'help']);
    expect(desk.reactions.map(({ emoji, added }) => `${emoji} ${added}`)).toEqual([
      '+1::skin-tone-3 true',
      '+1::skin-tone-3 true',
    ]);
  });

  it('handles every event once when all share one trigger id', async () => {
    const desk = new Desk();
    const pressed: string[] = [];
    desk.onAction = async ({ action }) => void pressed.push(action);
    const { gateway } = await start(desk);
    await slack.act('onlyTrigger', { id: 'trigger' });
    for (const line of ['queue', 'queue', 'imagine a fox']) {
      await mia.types(place.externalId, line);
      await slack.act('again');
    }
    const ts = await gateway.post(
      place,
      card('x', { buttons: [{ action: 'go:1', label: 'Go' }] }),
      randomUUID(),
    );
    for (let n = 0; n < 2; n++) {
      await mia.presses(place.externalId, ts, 'Go');
      await slack.act('again');
    }
    await mia.types(place.externalId, 'photos add subject:rex class:dog');
    await until(() => mia.form(), 'the form');
    await mia.submits({ consent: true }, await catPhotos(1));
    await slack.act('again');
    // Comes after all of those.
    await mia.types(place.externalId, 'help');
    await until(() => desk.invocations.at(-1)?.command === 'help', 'the last command');
    const commands = desk.invocations.map(({ command }) => command);
    expect(commands).toEqual(['queue', 'queue', 'imagine', 'photos', 'help']);
    expect(pressed).toEqual(['go:1', 'go:1']);
    await slack.act('onlyTrigger', { id: null });
  });

  it('reconnects at once when Slack renews the connection, and reads votes again after a long gap', async () => {
    const { desk } = await start();
    await slack.act('disconnect', { politely: true });
    await until(
      async () => (await slack.see()).connections === 1 && (await mia.types(place.externalId, 'queue')),
      'an end and a new connection',
    );
    expect(desk.returns).toBe(0);
    await slack.act('down', { down: true });
    await until(() => logged.some((line) => line.startsWith('Slack: no connection')), 'a vain try');
    putClockForward(11_000);
    await slack.act('down', { down: false });
    await until(async () => (await slack.see()).connections === 1, 'the connection');
    await until(() => desk.returns === 1, 'the word of it');
    expect(await mia.types(place.externalId, 'queue')).toBe(true);
  });

  it.each(['null', '{"type":"events_api","envelope_id":"1"}'])(
    'drops the message %s, and goes on',
    async (text) => {
      const { desk } = await start();
      await slack.act('raw', { text });
      expect(await mia.types(place.externalId, 'queue')).toBe(true);
      await until(() => desk.invocations.length > 0, 'the command after it');
      expect(logged).toContain('Slack: a message could not be read');
    },
  );

  it('reports a revoked token, and continues when it is valid again', async () => {
    const { gateway } = await start();
    const nonce = randomUUID();
    await slack.act('tokens', { bot: false });
    await expect(gateway.post(place, card('later'), nonce)).rejects.toMatchObject({
      code: 'SLACK_TOKEN_INVALID',
    });
    await slack.act('tokens', { bot: true });
    await gateway.post(place, card('later'), nonce);
    expect(await titles()).toEqual(['later']);
  });

  it('broke no rule of Slack', async () => {
    expect((await slack.see()).problems).toEqual([]);
  });
});
