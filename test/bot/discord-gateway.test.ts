import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DiscordGateway } from '../../bot/discord/discord-gateway.ts';
import { registerCommands } from '../../bot/discord/register.ts';
import type { ActionEvent, GatewayHandlers, InvocationEvent, ReactionEvent } from '../../bot/gateway.ts';
import type { Card } from '../../commands/card.ts';
import { openBlobFolder } from '../../storage/blobs/folder.ts';
import type { BlobStore } from '../../storage/blobs/contract.ts';
import type { DiscordConfig } from '../../core/config.ts';
import type { Channel } from '../../core/records.ts';
import { signLink } from '../../storage/links.ts';
import { DEFAULT_SETTINGS } from '../../core/settings/defaults.ts';
import { krona } from '../cli/run-krona.ts';
import { type FakeDiscord, startFakeDiscord } from '../fakes/discord/fake-discord.ts';
import { until } from '../helpers/until.ts';
import { Person } from './discord-world.ts';

const HOUR = 3_600_000;
const MIB = 1024 ** 2;

let folder: string;
let blobs: BlobStore;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-discord-'));
  blobs = await openBlobFolder(folder);
});
afterAll(() => rm(folder, { recursive: true }));

let discord: FakeDiscord;
let config: DiscordConfig;
let channelId: string;
const problems: string[] = [];
const gateways: DiscordGateway[] = [];
beforeEach(async () => {
  discord = await startFakeDiscord();
  config = await discord.config();
  channelId = await discord.addChannel('pets');
  problems.length = 0;
});
afterEach(async () => {
  for (const gateway of gateways.splice(0)) await gateway.stop();
  expect(await discord.violations()).toEqual([]);
  await discord.stop();
});

const channel = (externalId = channelId): Channel => ({
  id: randomUUID(),
  platform: 'discord',
  model: 'default',
  externalId,
  name: 'pets',
  settings: DEFAULT_SETTINGS,
  ageRestricted: false,
  serverId: null,
});

const nothing: GatewayHandlers = {
  onInvocation: async () => {},
  onAction: async () => {},
  onCompletion: async () => [],
  onReaction: async () => true,
  onMissed: async () => {},
};

async function start(
  handlers: Partial<GatewayHandlers> = {},
  change: Partial<DiscordConfig> = {},
  clock?: () => number,
) {
  const note = (fields: object, message: string) => {
    const { error } = fields as { error?: unknown };
    problems.push(`${message}: ${error instanceof Error ? error.message : ''}`);
  };
  const gateway = new DiscordGateway({
    config: { ...config, ...change },
    blobs,
    link: (hash, fileName) =>
      `http://localhost:1${signLink('a secret of tests', { hash, fileName, expiresAt: new Date(4e12) })}`,
    log: { info: () => {}, warn: note, error: note },
    ...(clock && { clock }),
  });
  gateways.push(gateway);
  await gateway.start({ ...nothing, ...handlers });
  return gateway;
}

const ann = async () =>
  new Person(discord, await discord.addUser('Ann', { moderator: true, roles: ['77'] }), channelId);
/** Something to wait for until a test opens it. */
function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
}

const dot = (): Promise<Buffer> =>
  sharp({ create: { width: 8, height: 8, channels: 3, background: '#fff' } })
    .png()
    .toBuffer();
const card = (title: string, more: Partial<Card> = {}): Card => ({ tone: 'info', title, ...more });
const seen = async () => discord.messages(await discord.addUser('Somebody'), channelId);

describe('the gateway to Discord', () => {
  it('reports a wrong token in one line, and a revoked one when it happens', async () => {
    await expect(start({}, { token: 'wrong.token' })).rejects.toMatchObject({
      code: 'DISCORD_TOKEN_INVALID',
    });
    await expect(start({}, { token: 'with a space' })).rejects.toMatchObject({
      code: 'DISCORD_TOKEN_INVALID',
    });
    gateways.length = 0;
    const gateway = await start();
    await discord.revokeToken();
    await until(() => problems.some((line) => line.startsWith('DISCORD_TOKEN_INVALID')));
    await expect(gateway.post(channel(), card('hello'), randomUUID())).rejects.toMatchObject({
      code: 'DISCORD_TOKEN_INVALID',
    });
    expect(problems.join()).not.toContain(config.token);
  });

  it('says when Discord is unreachable', async () => {
    const api = 'http://127.0.0.1:9/api';
    await expect(start({}, { api })).rejects.toMatchObject({ code: 'DISCORD_UNREACHABLE', retryable: true });
    gateways.length = 0;
  });

  it.each([0, 1, 2])('can be stopped while it reconnects, after %i failed tries', async (tries) => {
    await registerCommands(config, null);
    const gateway = await start();
    const { identified } = await discord.connections();
    const before = await discord.tries();
    await discord.drop({ down: true, forget: true });
    await until(async () => (await discord.tries()) - before >= tries, 'vain tries');
    await gateway.stop();
    gateways.length = 0;
    await discord.up();
    // Another one connects and hears of something, and the first has not come back.
    let heard = 0;
    await start({ onInvocation: async () => void heard++ });
    await discord.command(await discord.addUser('Ann'), channelId, 'top', {});
    await until(() => heard > 0, 'a command');
    expect((await discord.connections()).identified).toBe(identified + 1);
  });

  it('runs the configured number of shards, each with its own servers', async () => {
    const heard: string[] = [];
    await registerCommands(config, null);
    const onInvocation = async ({ command }: InvocationEvent) => void heard.push(command);
    await start({ onInvocation }, { shards: 3 });
    expect((await discord.connections()).sessions).toBe(3);
    await discord.command(await discord.addUser('Ann'), channelId, 'top', {});
    await until(() => heard.length > 0);
    expect(heard).toEqual(['top']);
    await gateways.pop()!.stop();
    await discord.setShards(2);
    await start({}, { shards: 'auto' });
    expect((await discord.connections()).identified).toBe(5);
  });

  it('reports who did what where: names, roles, moderators, age-restricted channels', async () => {
    const events: (InvocationEvent | ActionEvent)[] = [];
    await registerCommands(config, null);
    const person = await ann();
    const gateway = await start({
      onInvocation: async (event) => void events.push(event),
      onAction: async (event) => void events.push(event),
    });
    await gateway.post(
      channel(),
      card('x', { buttons: [{ action: 'again:1', label: 'Again' }] }),
      randomUUID(),
    );
    await discord.setNsfw(channelId, true);
    await discord.command(person.id, channelId, 'settings train', { a1: 8, lr: 5e-4, method: 'krona' });
    await discord.press(person.id, channelId, (await seen())[0]!.id, 'Again');
    await until(() => events.length === 2);
    expect(events).toMatchObject([
      {
        command: 'settings',
        action: 'train',
        options: { a1: 8, lr: 5e-4, method: 'krona' },
        channel: { externalId: channelId, name: 'pets', ageRestricted: true },
        member: { externalId: person.id, name: 'Ann' },
        moderator: true,
        roles: ['77'],
      },
      { action: 'again:1' },
    ]);
  });

  it('after 15 minutes drops private answers and posts public ones', async () => {
    const late = gate();
    let clock = 0;
    await registerCommands(config, null);
    const onInvocation = async (event: InvocationEvent) => {
      await late.opened;
      await event.answer([card('For all'), card('For you', { audience: 'caller' })]);
    };
    await start({ onInvocation }, {}, () => clock);
    const person = await ann();
    const ids = [await discord.command(person.id, channelId, 'top', {})];
    await until(async () => (await discord.interaction(ids[0]!)).state === 'thinking');
    await discord.advance(16 * 60_000);
    clock = 16 * 60_000;
    late.open();
    await person.found('For all');
    await until(() => problems.length > 0);
    expect(problems).toEqual(['an answer came too late for Discord: ']);
    expect((await discord.requests()).some((line) => line.includes('@original'))).toBe(false);
    // And when the clocks differ, Discord says it.
    const second = gate();
    await gateways.pop()!.stop();
    await start({
      onInvocation: async (event) => {
        await second.opened;
        await event.answer([card('Too late', { audience: 'caller' })]);
      },
    });
    const id = await discord.command(person.id, channelId, 'top', {});
    await until(async () => (await discord.interaction(id)).state === 'thinking');
    await discord.advance(16 * 60_000);
    second.open();
    await until(() => problems.length > 1);
    expect(problems[1]).toBe('an answer came too late for Discord: Invalid Webhook Token');
  });

  it("runs no command that it couldn't acknowledge in time or that another process took", async () => {
    await registerCommands(config, null);
    const carriedOut: string[] = [];
    const onInvocation = async (event: InvocationEvent) => void carriedOut.push(event.command);
    await start({ onInvocation });
    const person = await ann();
    const path = '/callback$';
    await discord.trouble({
      kind: 'limited',
      retryAfter: 0.4,
      scope: 'user',
      times: 1,
      method: 'POST',
      path,
    });
    const late = discord.command(person.id, channelId, 'top', {});
    await until(async () => (await discord.requests()).some((line) => line.includes('/callback')));
    await discord.advance(3_500);
    await late;
    await until(() => problems.length === 1);
    expect(problems[0]).toContain('within 3 s');
    expect(carriedOut).toEqual([]);

    await start({ onInvocation });
    await discord.command(person.id, channelId, 'queue show', {});
    await until(() => problems.length === 2);
    expect(problems[1]).toContain('Another process with the same token');
    expect(carriedOut).toHaveLength(1);
  });

  it('recognises its message by the nonce, even after Discord forgot it', async () => {
    const nonce = randomUUID();
    const first = await start();
    const id = await first.post(channel(), card('Working'), nonce);
    for (let n = 0; n < 120; n++)
      await discord.say(await discord.addUser('Chatter'), channelId, `line ${n}`, []);
    await discord.advance(HOUR / 2);
    const second = await start();
    expect(await second.post(channel(), card('Done'), nonce)).toBe(id);
    await second.edit(channel(), id, card('Done'));
    const own = (await seen()).filter(({ text }) => text !== '');
    expect(own).toHaveLength(1);
    expect(own[0]!.text).toContain('Done');
  });

  it("says when a message can't be edited, is gone, or its channel is", async () => {
    const gateway = await start();
    const id = await gateway.post(channel(), card('0'), randomUUID());
    await discord.advance(2 * HOUR);
    const edits = Array.from({ length: 3 }, (_, n) => gateway.edit(channel(), id, card(String(n))));
    await Promise.all(edits);
    await expect(gateway.edit(channel(), id, card('one too many'))).rejects.toMatchObject({
      code: 'MESSAGE_STALE',
    });
    expect(gateway.editInterval(0)).toBeGreaterThanOrEqual(3_000);
    expect(gateway.editInterval(2 * HOUR)).toBeGreaterThan(gateway.editInterval(0));

    await discord.deleteMessage(channelId, id);
    await expect(gateway.edit(channel(), id, card('x'))).rejects.toMatchObject({ code: 'MESSAGE_GONE' });
    await expect(gateway.readReactions(channel(), id)).rejects.toMatchObject({ code: 'MESSAGE_GONE' });

    await discord.forbid(channelId, ['SendMessages']);
    // The gateway hears of it a moment later, and then names what is missing.
    await until(async () => {
      const error: unknown = await gateway
        .post(channel(), card('x'), randomUUID())
        .catch((each: unknown) => each);
      expect(error).toMatchObject({ code: 'POST_FORBIDDEN' });
      return (error as Error).message.includes('#pets: it lacks the permission Send Messages.');
    });
    await discord.forbid(channelId, []);
    const second = await gateway.post(channel(), card('x'), randomUUID());
    await discord.deleteChannel(channelId);
    await expect(gateway.post(channel(), card('x'), randomUUID())).rejects.toMatchObject({
      code: 'CHANNEL_GONE',
    });
    await expect(gateway.edit(channel(), second, card('x'))).rejects.toMatchObject({ code: 'MESSAGE_GONE' });
  });

  it('distinguishes a hidden channel from a server that removed it', async () => {
    const gateway = await start();
    const id = await gateway.post(channel(), card('0'), randomUUID());
    const all = [
      () => gateway.post(channel(), card('x'), randomUUID()),
      () => gateway.edit(channel(), id, card('x')),
      () => gateway.remove(channel(), id),
      () => gateway.readReactions(channel(), id),
    ];
    // Also before the gateway has heard of it.
    await discord.forbid(channelId, ['ViewChannel']);
    for (const work of all)
      await expect(work()).rejects.toMatchObject({
        code: 'POST_FORBIDDEN',
        message: expect.stringContaining('#pets: it lacks the permission View Channel.') as string,
      });
    await discord.forbid(channelId, []);
    await gateway.edit(channel(), id, card('seen again'));
    await discord.putOut();
    await until(async () => {
      const error = await gateway.edit(channel(), id, card('x')).catch((each: unknown) => each);
      return (error as { code?: string }).code === 'CHANNEL_GONE';
    }, 'the news that it was put out');
    for (const work of all) await expect(work()).rejects.toMatchObject({ code: 'CHANNEL_GONE' });
  });

  it('names the missing permission in a thread, which has its own permissions', async () => {
    const gateway = await start();
    const thread = await discord.addThread(channelId, 'cats');
    const post = () => gateway.post(channel(thread), card('x'), randomUUID());
    await discord.forbid(channelId, ['SendMessages']);
    await post();
    await discord.forbid(channelId, ['SendMessagesInThreads']);
    await until(async () => {
      const error: unknown = await post().catch((each: unknown) => each);
      expect(error).toMatchObject({ code: 'POST_FORBIDDEN' });
      return (error as Error).message.includes('#cats: it lacks the permission Send Messages in Threads.');
    });
  });

  it('retries number reactions that failed, and logs it once', async () => {
    const gateway = await start();
    const { hash } = await blobs.put(await dot());
    const pictures = [1, 2].map((n) => ({ id: String(n), blobHash: hash, alt: `square ${n}` }));
    const lost = { kind: 'lost', retryAfter: 0, scope: 'user', times: 2 } as const;
    await discord.trouble({ ...lost, method: 'PUT', path: '/reactions/' });
    const id = await gateway.post(channel(), card('Two', { pictures, votesOn: 'set' }), randomUUID());
    await gateway.edit(channel(), id, card('Two!', { pictures, votesOn: 'set' }));
    await until(async () => (await seen())[0]!.reactions.length === 2, 'both numbers');
    expect(problems).toHaveLength(1);
  });

  it('stops within seconds during a one-minute rate limit, and then sends nothing', async () => {
    const gateway = await start();
    const limit = { kind: 'limited', retryAfter: 60, scope: 'shared', times: 1 } as const;
    await discord.trouble({ ...limit, method: 'POST', path: '/messages$' });
    const posted = gateway.post(channel(), card('late'), randomUUID());
    const refused = expect(posted).rejects.toMatchObject({ code: 'STOPPING', retryable: true });
    await until(async () => (await discord.limited()) === 1);
    await gateway.stop();
    gateways.length = 0;
    await refused;
    expect(await seen()).toEqual([]);
  });

  it("uses the file limit from the channel's newest command", async () => {
    const { hash, size } = await blobs.put(randomBytes(11 * MIB));
    const files = [{ name: 'mochi.safetensors', blobHash: hash, size }];
    await registerCommands(config, null);
    const { hash: blobHash } = await blobs.put(await dot());
    const pictures = [{ id: '1', blobHash, alt: 'a dot' }];
    const gateway = await start({
      onInvocation: async (event) => {
        await event.answer([card('Seen', { audience: 'caller', pictures })]);
      },
    });
    const person = await ann();
    const attached = async () => {
      await gateway.post(channel(), card('Adapter', { files }), randomUUID());
      return (await seen()).at(-1)!.files.length === 1;
    };
    const posts = async () =>
      (await discord.requests()).filter((line) => /POST .*messages$/.test(line)).length;
    // The client is not told of the server's boosts.
    await discord.setPremiumTier(2);
    expect(await attached()).toBe(false);
    await person.command('top');
    expect(await attached()).toBe(true);
    // Boosts that ended are known after one refusal, and from the next command on.
    await discord.setPremiumTier(0);
    expect(await attached()).toBe(false);
    await person.command('top');
    const before = await posts();
    expect(await attached()).toBe(false);
    expect(await posts()).toBe(before + 1);
    await discord.tellLimit(false);
    const { answers } = await person.command('top');
    expect(new URL(answers[0]!.pictures[0]!.url).pathname).toMatch(/\/1-[0-9a-f]{12}\.png$/);
  });

  it('answers a member even if something fails before the acknowledgement', async () => {
    await registerCommands(config, null);
    await start();
    const person = await ann();
    const lost = { kind: 'lost', retryAfter: 0, scope: 'user', times: 2 } as const;
    await discord.trouble({ ...lost, method: 'POST', path: '/callback$' });
    const asked = await person.command('train', { subject: 'mochi', class: 'cat' });
    expect(asked.answers[0]).toMatchObject({ onlyFor: person.id });
    expect(asked.answers[0]!.text).toContain('INTERNAL');
    expect(problems).toHaveLength(1);
    // What is too long for a field of the form is cut; the command tells of it when the form comes back.
    const form = await person.command('photos add', { subject: 'm'.repeat(99) + '😀'.repeat(60) });
    expect(form.state).toBe('form');
  });

  it('shrinks heavy pictures, and links a file that is too large', async () => {
    const gateway = await start();
    const side = 1880;
    const heavy = await sharp(randomBytes(side * side * 3), {
      raw: { width: side, height: side, channels: 3 },
    })
      .png({ compressionLevel: 0 })
      .toBuffer();
    expect(heavy.length).toBeGreaterThan(10 * MIB);
    const { hash: blobHash } = await blobs.put(heavy);
    const { hash, size } = await blobs.put(randomBytes(11 * MIB));
    const pictures = [{ id: '1', blobHash, alt: 'noise '.repeat(300) }];
    const files = [{ name: 'big (1).safetensors', blobHash: hash, size }];
    await gateway.post(channel(), card('Noise', { pictures, files }), randomUUID());
    const message = (await seen())[0]!;
    expect(message.pictures).toHaveLength(1);
    expect(message.pictures[0]!.alt).toHaveLength(1024);
    expect(message.files).toEqual([]);
    expect(message.text).toContain(`[big (1).safetensors](<http://localhost:1/blobs/${hash}/`);
    // A server with more boosts takes the file as well.
    await discord.setPremiumTier(2);
    await discord.drop({ forget: true });
    await until(async () => {
      await gateway.post(channel(), card('Noise', { pictures, files }), randomUUID());
      return (await seen()).at(-1)!.files[0]?.name === 'big_1_.safetensors';
    }, 'the file in the message');
    expect((await seen()).at(-1)!.pictures).toHaveLength(1);
    // And one that has lost its boosts meanwhile takes the link again.
    await discord.setPremiumTier(0);
    const small = [{ id: '1', blobHash: (await blobs.put(await dot())).hash, alt: 'a dot' }];
    await gateway.post(channel(), card('Dot', { pictures: small, files }), randomUUID());
    const last = (await seen()).at(-1)!;
    expect(last).toMatchObject({ files: [], pictures: [{ alt: 'a dot' }] });
    expect(last.text).toContain(`[big (1).safetensors](<http://localhost:1/blobs/${hash}/`);
  });

  it('reads all reactions on a message, page by page, without those of bots', async () => {
    const reactions: ReactionEvent[] = [];
    const gateway = await start({ onReaction: async (event) => Boolean(reactions.push(event)) });
    const { hash } = await blobs.put(await dot());
    const pictures = [{ id: '1', blobHash: hash, alt: 'a white square' }];
    const id = await gateway.post(channel(), card('One', { pictures, votesOn: 'set' }), randomUUID());
    await until(async () => (await seen())[0]!.reactions.length === 1, 'the number');
    for (let n = 0; n < 130; n++) await discord.react(await discord.addUser(`Fan ${n}`), channelId, id, '1️⃣');
    const machine = await discord.addUser('Machine', { bot: true });
    await discord.react(machine, channelId, id, '1️⃣');
    // As Discord tells it where it doesn't say who that is.
    await discord.tell('MESSAGE_REACTION_ADD', {
      ...{ user_id: machine, channel_id: channelId, message_id: id },
      ...{ emoji: { id: null, name: '2️⃣' }, burst: false, type: 0 },
    });
    await discord.react(await discord.addUser('Own emoji'), channelId, id, 'heart:123456');
    await discord.react(await discord.addUser('Super'), channelId, id, '🔥', true);
    const standing = await gateway.readReactions(channel(), id);
    expect(standing).toHaveLength(132);
    expect(standing.filter(({ emoji }) => emoji === '1️⃣')).toHaveLength(130);
    expect(standing.map(({ emoji }) => emoji)).toEqual(expect.arrayContaining(['heart:123456', '🔥']));
    await until(() => reactions.length === 132);
    expect(reactions.some(({ member: { name } }) => name === 'Machine' || name === 'Krona')).toBe(false);

    // Numbers that no longer fit are no reason to fail.
    for (let n = 0; n < 17; n++)
      await discord.react(await discord.addUser('Fan'), channelId, id, String.fromCodePoint(0x1f400 + n));
    const more = [1, 2, 3, 4].map((n) => ({ id: String(n), blobHash: hash, alt: `square ${n}` }));
    await gateway.edit(channel(), id, card('Four', { pictures: more, votesOn: 'set' }));
    expect((await seen())[0]!.pictures).toHaveLength(4);
    expect(problems).toEqual([]);
  });

  it('restores number reactions on a cleared message only through the platform', async () => {
    let asked = 0;
    const gateway = await start({ onMissed: async () => void asked++ });
    const id = await gateway.post(channel(), card('x'), randomUUID());
    await discord.clearReactions(channelId, id);
    await discord.clearReactions(channelId, id);
    await until(() => asked > 0);
    expect(asked).toBe(1);
  });
});

describe('krona discord register', () => {
  const environment = { ...process.env };
  afterEach(() => {
    process.env = { ...environment };
  });

  it('registers the commands and prints the invite link', async () => {
    Object.assign(process.env, {
      DISCORD_TOKEN: config.token,
      KRONA_DISCORD_API: config.api,
      KRONA_DATA: folder,
    });
    const { code, stdout } = await krona('discord', 'register');
    expect(code).toBe(0);
    expect(stdout).toContain('/krona photos add');
    expect(stdout).toContain('Add photos to a subject');
    const link = new URL(/https:\/\/\S+/.exec(stdout)![0]);
    // View Channel, Send Messages (also in threads), Attach Files, Add Reactions, Read Message History: no more.
    expect(BigInt(link.searchParams.get('permissions')!)).toBe(
      (1n << 10n) | (1n << 11n) | (1n << 38n) | (1n << 15n) | (1n << 6n) | (1n << 16n),
    );
    const registered = await discord.registered();
    expect(registered.map(({ name }) => name)).toEqual([
      'krona',
      'Add photos to a subject',
      'Remix a picture',
    ]);

    const { guildId } = await discord.about();
    const there = await krona('discord', 'register', '--guild', guildId, '--json');
    expect(JSON.parse(there.stdout)).toMatchObject({ guildId, application: { name: 'Krona' } });
    const elsewhere = await krona('discord', 'register', '--guild', '1');
    expect(elsewhere).toMatchObject({ code: 1, stdout: '' });
    expect(elsewhere.stderr).toMatch(/^DISCORD_GUILD_UNKNOWN: /);
  });

  it('removes the commands of one server, which would be listed twice', async () => {
    Object.assign(process.env, {
      DISCORD_TOKEN: config.token,
      KRONA_DISCORD_API: config.api,
      KRONA_DATA: folder,
    });
    const { guildId } = await discord.about();
    const listed = async () => (await discord.registered()).map(({ name }) => name);
    await krona('discord', 'register', '--guild', guildId);
    await krona('discord', 'register');
    expect(await listed()).toHaveLength(6);
    const { code, stdout } = await krona('discord', 'register', '--guild', guildId, '--remove');
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: `Removed the commands of Krona in the server ${guildId}.\n`,
    });
    expect(await listed()).toEqual(['krona', 'Add photos to a subject', 'Remix a picture']);
  });

  it('says when Discord is unreachable', async () => {
    Object.assign(process.env, {
      DISCORD_TOKEN: config.token,
      KRONA_DISCORD_API: 'http://127.0.0.1:9/api',
      KRONA_DATA: folder,
    });
    const { code, stderr } = await krona('discord', 'register');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^DISCORD_UNREACHABLE: [^\n]+\n$/);
  });

  it('reports a missing and a wrong token in one line', async () => {
    Object.assign(process.env, { DISCORD_TOKEN: '', KRONA_DISCORD_API: config.api, KRONA_DATA: folder });
    expect((await krona('discord', 'register')).stderr).toMatch(/^DISCORD_TOKEN_MISSING: [^\n]+\n$/);
    process.env['DISCORD_TOKEN'] = 'wrong.token';
    expect((await krona('discord', 'register')).stderr).toMatch(/^DISCORD_TOKEN_INVALID: [^\n]+\n$/);
  });
});
