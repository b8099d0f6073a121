/** @file The fake Discord as a process of its own: `fork` it, and call what `operations` has over IPC. */
import type { AddressInfo } from 'node:net';
import { PermissionFlagsBits } from 'discord-api-types/v10';
import { Actors } from './actors.ts';
import { Platform } from './platform.ts';
import { RestServer, type Trouble } from './rest.ts';
import { GatewaySockets } from './sockets.ts';
import { viewMessage, type MessageView } from './views.ts';

const platform = new Platform();
const sockets = new GatewaySockets(platform);
let shards = 1;
let revoked = platform.token;
const rest = new RestServer(
  platform,
  () => sockets.url,
  () => shards,
);
sockets.listen(rest.server);
const actors = new Actors(platform);

const channelOf = (id: string) => {
  const channel = platform.channels.get(id);
  if (!channel) throw new Error(`there is no channel ${id}`);
  return channel;
};
const messageOf = (channelId: string, id: string) => {
  const message = channelOf(channelId).messages.get(id);
  if (!message) throw new Error(`there is no message ${id}`);
  return message;
};

/** What tests can do. Times in milliseconds. */
export const operations = {
  // The house: servers and people
  addUser: (
    name: string,
    { moderator = false, manager = false, bot = false, roles = [] as string[] } = {},
  ) => {
    const permissions =
      (moderator ? PermissionFlagsBits.ManageMessages : 0n) |
      (manager ? PermissionFlagsBits.ManageGuild | PermissionFlagsBits.ManageMessages : 0n);
    return platform.addUser(name, { bot, roles, permissions }).id;
  },
  addChannel(name: string, nsfw = false): string {
    const channel = platform.addChannel(name, nsfw);
    platform.tell('CHANNEL_CREATE', platform.channelData(channel));
    return channel.id;
  },
  setNsfw(channelId: string, nsfw: boolean): void {
    channelOf(channelId).nsfw = nsfw;
    platform.tell('CHANNEL_UPDATE', platform.channelData(channelOf(channelId)));
  },
  /** Takes permissions from the bot in a channel. */
  forbid(channelId: string, names: readonly (keyof typeof PermissionFlagsBits)[]): void {
    const channel = channelOf(channelId);
    channel.denied = names.reduce((bits, name) => bits | PermissionFlagsBits[name], 0n);
    platform.tell('CHANNEL_UPDATE', platform.channelData(channel));
  },
  deleteChannel(channelId: string): void {
    channelOf(channelId).deleted = true;
    platform.tell('CHANNEL_DELETE', platform.channelData(channelOf(channelId)));
  },
  /** Direct messages of a user with the bot; `installed`: who has it for themselves, in no server with it. */
  addDirect(userId: string, { installed = false } = {}): string {
    Object.assign(platform.user(userId), { installed, left: installed });
    return platform.addChannel('', false, null, userId).id;
  },
  /** @param unknown - clients are not told of it, as of one that was archived when they connected */
  addThread(parentId: string, name: string, { unknown = false } = {}): string {
    const thread = platform.addChannel(name, false, parentId);
    if (unknown) return thread.id;
    platform.tell('THREAD_CREATE', platform.channelData(thread));
    return thread.id;
  },
  /** A thread falls asleep; a locked one is woken by moderators alone. */
  archive(threadId: string, { locked = false } = {}): void {
    Object.assign(channelOf(threadId), { archived: true, locked });
    platform.tell('THREAD_UPDATE', platform.channelData(channelOf(threadId)));
  },
  /** A member leaves the server. Nobody is told of it without a privileged intent. */
  leave: (userId: string) => void (platform.user(userId).left = true),
  /** The bot is put out of the server. */
  putOut(): void {
    platform.joined = false;
    platform.tell('GUILD_DELETE', { id: platform.guildId, unavailable: false });
  },
  letIn(): void {
    platform.joined = true;
    platform.tell('GUILD_CREATE', platform.guildData());
  },
  /** Another server of the bot's, which Discord itself can't reach at the moment. */
  addUnavailableServer: () => void sockets.unavailable.push(platform.newId()),
  deleteMessage: (channelId: string, id: string) => channelOf(channelId).messages.delete(id),

  // People
  command: actors.command.bind(actors),
  complete: actors.complete.bind(actors),
  messageCommand: actors.messageCommand.bind(actors),
  press: actors.press.bind(actors),
  submit: actors.submit.bind(actors),
  say: actors.say.bind(actors),
  react: (userId: string, channelId: string, id: string, emoji: string, burst = false) =>
    platform.react(messageOf(channelId, id), platform.user(userId), emoji, burst),
  unreact: (userId: string, channelId: string, id: string, emoji: string, burst = false) =>
    platform.unreact(messageOf(channelId, id), platform.user(userId), emoji, burst),
  /** Another bot clears a message that is not Krona's. */
  clearStranger(channelId: string): void {
    platform.tell('MESSAGE_REACTION_REMOVE_ALL', {
      channel_id: channelId,
      message_id: platform.newId(),
      guild_id: platform.guildId,
    });
  },
  /** A moderator takes all reactions off. */
  clearReactions(channelId: string, id: string): void {
    messageOf(channelId, id).reactions.splice(0);
    platform.tell('MESSAGE_REACTION_REMOVE_ALL', {
      channel_id: channelId,
      message_id: id,
      guild_id: platform.guildId,
    });
  },

  /** Tells of anything, also of what Discord would not say so. */
  tell: (type: Parameters<typeof platform.tell>[0], data: Parameters<typeof platform.tell>[1]) =>
    platform.tell(type, data),

  // What they see
  messages: (userId: string, channelId: string): MessageView[] =>
    [...channelOf(channelId).messages.values()]
      .filter(({ onlyFor }) => onlyFor === null || onlyFor === userId)
      .map((message) => viewMessage(platform, message)),
  /** All that stands in a channel with words in it, whoever sees it, oldest first. */
  everything: (channelId: string) =>
    [...channelOf(channelId).messages.values()].map((message) => {
      const { text, onlyFor } = viewMessage(platform, message);
      return { text, onlyFor };
    }),
  interaction(id: string) {
    const { state, form, choices, ephemeral, originalId, followUps, channelId } =
      platform.interactions.get(id)!;
    const answers = [originalId, ...followUps].flatMap((messageId) => {
      const message = messageId === null ? undefined : channelOf(channelId).messages.get(messageId);
      return message ? [viewMessage(platform, message)] : [];
    });
    return { state, form, choices, ephemeral, answers };
  },
  /** Interactions on which somebody waits: nothing was said, or only “thinking…”. */
  waiting: () =>
    [...platform.interactions.values()].filter(({ state }) => state === 'waiting' || state === 'thinking')
      .length,

  /** From an interaction to the word on it, ms of the machine's clock, of each that had one. */
  acknowledgements: () =>
    [...platform.interactions.values()].flatMap(({ sentAt, acknowledgedAt }) =>
      acknowledgedAt === null ? [] : [acknowledgedAt - sentAt],
    ),

  // The world
  advance: (ms: number) => platform.advance(ms),
  revokeToken(): void {
    revoked = platform.token;
    platform.token = 'another.token';
    sockets.revoke();
  },
  acceptToken: () => void (platform.token = revoked),
  /** @param network requests are cut off as well, as when the network is gone */
  drop({ forget = false, down = false, network = false } = {}): void {
    sockets.down = down || network;
    rest.down = network;
    sockets.drop(forget);
  },
  up(): void {
    sockets.down = false;
    rest.down = false;
  },
  trouble: (given: Omit<Trouble, 'path'> & { path: string }) =>
    void rest.troubles.push({ ...given, path: new RegExp(given.path) }),
  calm: () => void rest.troubles.splice(0),
  limited: () => rest.limits.length,
  setShards: (count: number) => void (shards = count),
  setPremiumTier: (tier: number) => void (platform.premiumTier = tier),
  /** Interactions say, or do not, how large files may be. */
  tellLimit: (tells: boolean) => void (platform.tellsLimit = tells),
  about: () => ({
    api: `${platform.origin}/api`,
    token: platform.token,
    guildId: platform.guildId,
    botId: platform.bot.id,
  }),
  connections: () => ({
    identified: sockets.identified,
    resumed: sockets.resumed,
    sessions: sockets.sessions.size,
  }),
  /** As a client in the server lists them. */
  registered: () => [...platform.commands.guild, ...platform.commands.global],
  requests: () => [...rest.requests],
  /** How often the bot has tried in vain to reach it. */
  tries: () => rest.failed + sockets.failed,
  violations: () => [...platform.violations],
};

export type Operations = typeof operations;

process.on('message', ({ call, name, given }: { call: number; name: keyof Operations; given: unknown[] }) => {
  try {
    const result = (operations[name] as (...all: unknown[]) => unknown)(...given);
    process.send!({ call, result });
  } catch (error) {
    process.send!({ call, error: error instanceof Error ? error.message : String(error) });
  }
});
process.on('disconnect', () => process.exit(0));

rest.server.listen(0, '127.0.0.1', () => {
  platform.origin = `http://127.0.0.1:${(rest.server.address() as AddressInfo).port}`;
  process.send!({ ready: true });
});
