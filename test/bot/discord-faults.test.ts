/** What goes wrong between Discord and its gateway: answers lost on their way, limits without a time, clearings. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { DiscordConfig } from '../../core/config.ts';
import type { Channel } from '../../core/records.ts';
import { DEFAULT_SETTINGS } from '../../core/settings/defaults.ts';
import { DiscordGateway } from '../../bot/discord/discord-gateway.ts';
import { incoming } from '../../bot/discord/incoming.ts';
import { registerCommands } from '../../bot/discord/register.ts';
import { RateLimits } from '../../bot/discord/rate-limits.ts';
import type { GatewayHandlers, InvocationEvent, MessagePlace, ReactionEvent } from '../../bot/gateway.ts';
import { openBlobFolder } from '../../storage/blobs/folder.ts';
import type { BlobStore } from '../../storage/blobs/contract.ts';
import { type FakeDiscord, startFakeDiscord } from '../fakes/discord/fake-discord.ts';
import { until } from '../helpers/until.ts';

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
let ann: string;
const problems: string[] = [];
const gateways: DiscordGateway[] = [];
beforeEach(async () => {
  discord = await startFakeDiscord();
  config = await discord.config();
  channelId = await discord.addChannel('pets');
  ann = await discord.addUser('Ann');
  await registerCommands(config, null);
  problems.length = 0;
});
afterEach(async () => {
  for (const gateway of gateways.splice(0)) await gateway.stop();
  expect(await discord.violations()).toEqual([]);
  await discord.stop();
});

async function start(handlers: Partial<GatewayHandlers> = {}) {
  const note = (fields: object, message: string) => {
    const { error } = fields as { error?: unknown };
    problems.push(`${message}: ${error instanceof Error ? error.message : ''}`);
  };
  const gateway = new DiscordGateway({
    config,
    blobs,
    link: (hash) => `http://localhost:1/${hash}`,
    log: { info: () => {}, warn: note, error: note },
  });
  gateways.push(gateway);
  await gateway.start({
    onInvocation: async () => {},
    onAction: async () => {},
    onCompletion: async () => [],
    onReaction: async () => true,
    onMissed: async () => {},
    ...handlers,
  });
  return gateway;
}

const place = (): Channel => ({
  id: randomUUID(),
  platform: 'discord',
  model: 'default',
  externalId: channelId,
  name: 'pets',
  settings: DEFAULT_SETTINGS,
  ageRestricted: false,
  serverId: null,
});
const CALLBACK = { scope: 'user', retryAfter: null, times: 1, method: 'POST', path: '/callback$' } as const;
const callbacks = async () => (await discord.requests()).filter((line) => line.endsWith('/callback')).length;

describe('an acknowledgement on Discord', () => {
  it.each(['failed after', 'answer lost', 'failed', 'lost'] as const)(
    'is retried and counts when its answer is “%s”',
    async (kind) => {
      const carriedOut: string[] = [];
      await start({ onInvocation: async ({ command }: InvocationEvent) => void carriedOut.push(command) });
      await discord.trouble({ ...CALLBACK, kind });
      const id = await discord.command(ann, channelId, 'queue show', {});
      await until(() => carriedOut.length > 0, 'the command');
      expect((await discord.interaction(id)).state).toBe('thinking');
      expect(await callbacks()).toBe(2);
      expect(problems).toEqual([]);
    },
  );

  it("is given up after the second try, and the command doesn't run", async () => {
    const carriedOut: string[] = [];
    await start({ onInvocation: async ({ command }: InvocationEvent) => void carriedOut.push(command) });
    await discord.trouble({ ...CALLBACK, kind: 'failed', times: 2 });
    await discord.command(ann, channelId, 'queue show', {});
    await until(() => problems.length > 0, 'a word in the log');
    expect(await callbacks()).toBe(2);
    expect(carriedOut).toEqual([]);
  });

  it('shows a form once, even if Discord’s answer is lost', async () => {
    await start();
    await discord.trouble({ ...CALLBACK, kind: 'failed after' });
    const id = await discord.command(ann, channelId, 'photos add', { subject: 'mochi' });
    await until(async () => (await callbacks()) === 2, 'the second try');
    expect((await discord.interaction(id)).state).toBe('form');
    expect(problems).toEqual([]);
  });
});

describe("Discord's rate limits", () => {
  it('without a duration lead to longer and longer waits, logged once', async () => {
    const gateway = await start();
    const path = '/messages$';
    await discord.trouble({ ...CALLBACK, kind: 'limited', path, times: 2 });
    const began = Date.now();
    await gateway.post(place(), { tone: 'info', title: 'hello' }, '3e1f0f9c-0000-4000-8000-000000000000');
    expect(Date.now() - began).toBeGreaterThan(2_900);
    const sent = (await discord.requests()).filter(
      (line) => line.startsWith('POST') && line.endsWith(path.slice(0, -1)),
    );
    expect(sent).toHaveLength(3);
    expect(problems.filter((line) => line.includes('without saying for how long'))).toHaveLength(1);
  });

  it('are read from the header, its date or the body, and are never zero', () => {
    const limits = new RateLimits(null);
    expect(limits.pause('3', '')).toBe(3);
    expect(limits.pause(null, '{"retry_after": 1.5}')).toBe(1.5);
    expect(limits.pause('0', '')).toBeGreaterThan(0.2);
    expect(limits.pause(new Date(Date.now() + 60_000).toUTCString(), '')).toBeGreaterThan(50);
    const [first, second] = [limits.pause('soon', '<html>'), limits.pause(null, '')];
    expect(first).toBeGreaterThanOrEqual(1);
    expect(second).toBeGreaterThanOrEqual(2);
    for (let n = 0; n < 20; n++) expect(limits.pause('', '')).toBeLessThanOrEqual(90);
    limits.passed();
    expect(limits.pause(null, '')).toBeLessThan(2);
  });
});

it('files are fetched only from Discord’s own hosts', async () => {
  const at = (url: string, api: string | null = null) =>
    incoming({ name: 'cat.png', size: 1, url }, api).read();
  for (const url of [
    'http://169.254.169.254/latest/meta-data',
    'https://cdn.discordapp.com.evil.test/a.png',
    'https://evil.test/cdn.discordapp.com/a.png',
    'https://user@cdn.discordapp.com/a.png',
    'https://cdn.discordapp.com:8443/a.png',
    'http://cdn.discordapp.com/a.png',
    'file:///etc/passwd',
    'http://127.0.0.1:1/a.png',
    'not an address',
  ])
    await expect(at(url), url).rejects.toMatchObject({ code: 'ATTACHMENT_FORBIDDEN' });
  await expect(at('http://127.0.0.1:1/a.png', 'http://localhost:2/api')).rejects.toMatchObject({
    code: 'ATTACHMENT_GONE',
  });
});

describe('reactions on Discord', () => {
  it('keep their order when a removal event lacks its author', async () => {
    const seen: boolean[] = [];
    await start({
      onReaction: async ({ added }: ReactionEvent) => {
        seen.push(added);
        return true;
      },
    });
    const message = await gateways[0]!.post(
      place(),
      { tone: 'info', title: 'vote' },
      '3e1f0f9c-0000-4000-8000-000000000001',
    );
    await discord.react(ann, channelId, message, '👍');
    await until(() => seen.length === 1, 'the first');
    await discord.unreact(ann, channelId, message, '👍');
    await discord.react(ann, channelId, message, '👍');
    await until(() => seen.length === 3, 'all three');
    expect(seen).toEqual([true, false, true]);
    expect((await discord.requests()).filter((line) => line.includes('/users/'))).toEqual([]);
  });

  it('cleared by another bot are read again only on that message', async () => {
    const missed: (MessagePlace | undefined)[] = [];
    await start({ onMissed: async (message) => void missed.push(message) });
    await discord.clearStranger(channelId);
    await until(() => missed.length === 1, 'the word of it');
    expect(missed[0]).toMatchObject({ channel: { externalId: channelId, name: 'pets' } });
    expect((await discord.requests()).some((line) => line.includes('/reactions'))).toBe(false);
  });
});

it.each([
  [
    'a button without a member',
    { type: 3, data: { component_type: 2, custom_id: 'k1:again:x' }, channel: null },
  ],
  ['nothing at all', null],
])('an event with %s is dropped, and the bot goes on', async (_, event) => {
  const heard: string[] = [];
  await start({ onInvocation: async ({ command }: InvocationEvent) => void heard.push(command) });
  await discord.tell('INTERACTION_CREATE', event as unknown as object);
  await discord.command(ann, channelId, 'queue show', {});
  await until(() => heard.length > 0, 'the command after it');
});

it('an unavailable server delays no other', async () => {
  await discord.addUnavailableServer();
  const heard: string[] = [];
  const began = Date.now();
  await start({ onInvocation: async ({ command }: InvocationEvent) => void heard.push(command) });
  await discord.command(ann, channelId, 'queue show', {});
  await until(() => heard.length > 0, 'the command');
  expect(Date.now() - began).toBeLessThan(10_000);
});

it("a thread comes with its channel and server, even if the client doesn't know it", async () => {
  const events: InvocationEvent[] = [];
  await start({ onInvocation: async (event) => void events.push(event) });
  await discord.setNsfw(channelId, true);
  const { guildId } = await discord.about();
  for (const unknown of [false, true])
    await discord.command(ann, await discord.addThread(channelId, 'a thread', { unknown }), 'queue show', {});
  await until(() => events.length === 2, 'both commands');
  for (const { channel } of events)
    expect(channel).toMatchObject({
      name: 'a thread',
      parent: { externalId: channelId, name: 'pets' },
      serverId: guildId,
      ageRestricted: true,
    });
});
