/**
 * @file What Discord knows: servers, channels, messages, files, interactions, and the rules that hold for all who
 * use it. Time stands still unless a test moves it, so that no rule depends on how fast the machine is.
 */
import { createHmac } from 'node:crypto';
import {
  type APIMessageTopLevelComponent,
  type APIModalInteractionResponseCallbackData,
  ComponentType,
  PermissionFlagsBits,
} from 'discord-api-types/v10';

const EPOCH = 1_420_070_400_000;
export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;

/** What everybody may in a new server. */
const EVERYBODY =
  PermissionFlagsBits.ViewChannel |
  PermissionFlagsBits.SendMessages |
  PermissionFlagsBits.SendMessagesInThreads |
  PermissionFlagsBits.AttachFiles |
  PermissionFlagsBits.AddReactions |
  PermissionFlagsBits.ReadMessageHistory |
  PermissionFlagsBits.UseApplicationCommands;

export interface User {
  readonly id: string;
  readonly username: string;
  readonly bot: boolean;
  readonly roles: string[];
  /** Has installed the app for themselves. */
  installed: boolean;
  /** Has left the server. */
  left: boolean;
  /** Beside everybody's. */
  permissions: bigint;
}

export interface Channel {
  readonly id: string;
  name: string;
  nsfw: boolean;
  deleted: boolean;
  /** Of a thread: the channel that it is in, and whether it sleeps and who may wake it. */
  readonly parentId: string | null;
  archived: boolean;
  locked: boolean;
  /** Of direct messages with the bot: the other one. */
  readonly directTo: string | null;
  /** Taken from the bot in this channel. */
  denied: bigint;
  readonly messages: Map<string, Message>;
}

export interface StoredFile {
  readonly id: string;
  readonly filename: string;
  readonly bytes: Buffer;
  readonly contentType: string;
  readonly path: string;
  readonly description: string | undefined;
}

export interface Message {
  readonly id: string;
  readonly channelId: string;
  readonly authorId: string;
  readonly createdAt: number;
  editedAt: number | null;
  content: string;
  flags: number;
  components: APIMessageTopLevelComponent[];
  files: StoredFile[];
  /** Only this user sees it. */
  readonly onlyFor: string | null;
  readonly reactions: { emoji: string; users: Set<string>; super: Set<string> }[];
  /** Every state it was shown in, the first included: how often it was edited. */
  shown: number;
  editsWhenOld: number;
}

export type InteractionState = 'waiting' | 'thinking' | 'updating' | 'answered' | 'form' | 'choices' | 'gone';

export interface StoredInteraction {
  readonly id: string;
  readonly token: string;
  readonly type: number;
  readonly userId: string;
  readonly channelId: string;
  readonly createdAt: number;
  /** On the machine's clock, ms: how long the bot took is the one thing that the still time cannot tell. */
  readonly sentAt: number;
  acknowledgedAt: number | null;
  readonly messageId: string | null;
  state: InteractionState;
  /** The answer to it is for the caller alone. */
  ephemeral: boolean;
  form: APIModalInteractionResponseCallbackData | null;
  choices: readonly { readonly name: string; readonly value: string | number }[] | null;
  originalId: string | null;
  readonly followUps: string[];
}

export class Refusal extends Error {
  readonly status: number;
  readonly code: number;
  readonly extra: object;

  constructor(status: number, code: number, message: string, extra: object = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.extra = extra;
  }
}

export class Platform {
  /** What no client of Discord may do, or what Krona must not: a test with any fails. */
  readonly violations: string[] = [];
  readonly users = new Map<string, User>();
  readonly channels = new Map<string, Channel>();
  readonly interactions = new Map<string, StoredInteraction>();
  readonly files = new Map<string, StoredFile>();
  /** Registered commands, as they were sent. A client lists both kinds, so what is in both twice. */
  readonly commands: Record<'global' | 'guild', Record<string, unknown>[]> = { global: [], guild: [] };
  readonly guildId: string;
  readonly bot: User;
  readonly applicationId: string;
  token = 'fake.discord.token';
  premiumTier = 0;
  /** Interactions say how large files may be. */
  tellsLimit = true;
  /** The bot is in the server. */
  joined = true;
  /** Where files are, told when the server listens. */
  origin = '';
  /** Told of everything that clients are told. */
  tell: (event: string, data: object) => void = () => {};
  /** Messages by nonce, for enforce_nonce. */
  readonly nonces = new Map<string, { readonly messageId: string; readonly at: number }>();
  #now = Date.parse('2026-11-24T12:00:00Z');
  #counter = 0n;

  constructor() {
    this.guildId = this.newId();
    this.bot = this.addUser('Krona', { bot: true });
    this.applicationId = this.bot.id;
  }

  now(): number {
    return this.#now;
  }

  advance(ms: number): void {
    this.#now += ms;
  }

  newId(): string {
    return String((BigInt(this.#now - EPOCH) << 22n) | this.#counter++);
  }

  addUser(username: string, { bot = false, permissions = 0n, roles = [] as string[] } = {}): User {
    const user = { id: this.newId(), username, bot, roles, permissions, left: false, installed: false };
    this.users.set(user.id, user);
    return user;
  }

  /** @param parentId of the channel that a thread is in */
  addChannel(
    name: string,
    nsfw = false,
    parentId: string | null = null,
    directTo: string | null = null,
  ): Channel {
    const thread = { parentId, directTo, archived: false, locked: false };
    const channel = {
      id: this.newId(),
      name,
      nsfw,
      deleted: false,
      ...thread,
      denied: 0n,
      messages: new Map(),
    };
    this.channels.set(channel.id, channel);
    return channel;
  }

  user(id: string): User {
    const user = this.users.get(id);
    if (!user) throw new Error(`there is no user ${id}`);
    return user;
  }

  /** A thread has the permissions of its channel. */
  permissions(user: User, channel: Channel): bigint {
    const all = EVERYBODY | user.permissions;
    const { denied } = channel.parentId === null ? channel : this.channels.get(channel.parentId)!;
    return user === this.bot ? all & ~denied : all;
  }

  /** Bytes that a file may have in the server. */
  get fileLimit(): number {
    return [10, 10, 50, 100][this.premiumTier]! * 1024 ** 2;
  }

  /** @throws Refusal as Discord refuses: 50001, 10003, 50013 */
  need(channelId: string, ...flags: (keyof typeof PermissionFlagsBits)[]): Channel {
    const channel = this.channels.get(channelId);
    if (channel?.directTo) return this.#needDirect(channel, channel.directTo);
    if (!this.joined) throw new Refusal(403, 50_001, 'Missing Access');
    if (!channel || channel.deleted) throw new Refusal(404, 10_003, 'Unknown Channel');
    const granted = this.permissions(this.bot, channel);
    if (!(granted & PermissionFlagsBits.ViewChannel)) throw new Refusal(403, 50_001, 'Missing Access');
    if (flags.some((flag) => !(granted & PermissionFlagsBits[flag])))
      throw new Refusal(403, 50_013, 'Missing Permissions');
    return channel;
  }

  /** Bots write to members of their servers, and to those who installed them. @throws Refusal 50007 */
  #needDirect(channel: Channel, userId: string): Channel {
    const user = this.user(userId);
    if (user.installed || (this.joined && !user.left)) return channel;
    throw new Refusal(403, 50_007, 'Cannot send messages to this user');
  }

  /** @throws Refusal 10008 */
  message(channel: Channel, id: string): Message {
    const message = channel.messages.get(id);
    if (!message || message.onlyFor !== null) throw new Refusal(404, 10_008, 'Unknown Message');
    return message;
  }

  store(file: { name: string; bytes: Buffer; description?: string }, folder: string): StoredFile {
    const id = this.newId();
    const stored = {
      id,
      filename: file.name,
      bytes: file.bytes,
      contentType: /\.(png|webp|jpe?g|gif)$/i.test(file.name)
        ? `image/${file.name.split('.').at(-1)!.toLowerCase().replace('jpg', 'jpeg')}`
        : 'application/octet-stream',
      path: `/${folder}/${id}/${encodeURIComponent(file.name)}`,
      description: file.description,
    };
    this.files.set(stored.path, stored);
    return stored;
  }

  /** A signed address that expires after a day, as Discord makes a new one whenever it tells of a message. */
  address(file: StoredFile): string {
    const expires = Math.floor((this.#now + 24 * HOUR) / 1000).toString(16);
    return `${this.origin}${file.path}?ex=${expires}&hm=${this.sign(file.path, expires)}`;
  }

  sign(path: string, expires: string): string {
    return createHmac('sha256', 'fake cdn').update(`${path} ${expires}`).digest('hex');
  }

  attachment(file: StoredFile): object {
    const url = this.address(file);
    return {
      id: file.id,
      filename: file.filename,
      size: file.bytes.length,
      url,
      proxy_url: url,
      content_type: file.contentType,
      ...(file.description !== undefined && { description: file.description }),
    };
  }

  userData(user: User): object {
    const { id, username, bot } = user;
    return { id, username, global_name: username, discriminator: '0', avatar: null, bot };
  }

  memberData(user: User): object {
    const { roles } = user;
    return {
      user: this.userData(user),
      roles,
      nick: null,
      avatar: null,
      joined_at: '2026-01-01T00:00:00Z',
      deaf: false,
      mute: false,
      flags: 0,
    };
  }

  channelData(channel: Channel): object {
    const { id, name, nsfw, denied, parentId, archived, locked, directTo } = channel;
    if (directTo !== null)
      return { id, type: 1, last_message_id: null, recipients: [this.userData(this.user(directTo))] };
    if (parentId !== null)
      return {
        id,
        name,
        type: 11,
        guild_id: this.guildId,
        parent_id: parentId,
        owner_id: this.bot.id,
        thread_metadata: {
          archived,
          locked,
          auto_archive_duration: 60,
          archive_timestamp: new Date(this.#now).toISOString(),
        },
      };
    const overwrite = { id: this.bot.id, type: 1, allow: '0', deny: String(denied) };
    return {
      id,
      name,
      nsfw,
      type: 0,
      guild_id: this.guildId,
      position: 0,
      topic: null,
      parent_id: null,
      permission_overwrites: denied === 0n ? [] : [overwrite],
    };
  }

  guildData(): object {
    const role = (id: string, name: string, permissions: bigint) => ({
      id,
      name,
      permissions: String(permissions),
      color: 0,
      hoist: false,
      position: 0,
      managed: false,
      mentionable: false,
      flags: 0,
    });
    const roles = new Set([...this.users.values()].flatMap((user) => user.roles));
    return {
      id: this.guildId,
      name: 'Test server',
      owner_id: '1',
      roles: [
        role(this.guildId, '@everyone', EVERYBODY),
        ...[...roles].map((id) => role(id, `role ${id}`, 0n)),
      ],
      channels: [...this.channels.values()]
        .filter(({ deleted, parentId, directTo }) => !deleted && parentId === null && directTo === null)
        .map((each) => this.channelData(each)),
      members: [this.memberData(this.bot)],
      member_count: this.users.size,
      threads: [...this.channels.values()]
        .filter(({ deleted, parentId, archived }) => !deleted && parentId !== null && !archived)
        .map((each) => this.channelData(each)),
      emojis: [],
      stickers: [],
      features: [],
      voice_states: [],
      presences: [],
      stage_instances: [],
      guild_scheduled_events: [],
      soundboard_sounds: [],
      premium_tier: this.premiumTier,
      verification_level: 0,
      explicit_content_filter: 0,
      default_message_notifications: 0,
      mfa_level: 0,
      nsfw_level: 0,
      preferred_locale: 'en-US',
      system_channel_flags: 0,
      premium_progress_bar_enabled: false,
      joined_at: '2026-01-01T00:00:00Z',
      large: false,
      unavailable: false,
    };
  }

  /**
   * A message as a client is told of it. A bot without the privileged intent is told nothing of what others wrote,
   * unless a member hands it over with the menu of the message.
   */
  messageData(message: Message, { handedOver = false } = {}): object {
    const own = message.authorId === this.bot.id;
    const told = own || handedOver;
    const { reactions } = message;
    return {
      id: message.id,
      type: 0,
      channel_id: message.channelId,
      author: this.userData(this.user(message.authorId)),
      content: told ? message.content : '',
      timestamp: new Date(message.createdAt).toISOString(),
      edited_timestamp: message.editedAt === null ? null : new Date(message.editedAt).toISOString(),
      tts: false,
      mention_everyone: false,
      mentions: [],
      mention_roles: [],
      attachments: told ? message.files.map((file) => this.attachment(file)) : [],
      embeds: [],
      pinned: false,
      flags: message.flags,
      components: told ? this.#withAddresses(message) : [],
      ...(reactions.length > 0 && {
        reactions: reactions.map(({ emoji, users, super: supers }) => ({
          count: users.size + supers.size,
          count_details: { normal: users.size, burst: supers.size },
          me: users.has(this.bot.id),
          me_burst: false,
          burst_colors: [],
          emoji: emojiData(emoji),
        })),
      }),
    };
  }

  /** Components with `attachment://` made the addresses of the message's files, and an id for each. */
  #withAddresses(message: Message): unknown {
    let id = 0;
    const walk = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(walk);
      if (typeof value !== 'object' || value === null) return value;
      const entries = Object.entries(value).map(([key, each]) => {
        if (key !== 'url' || typeof each !== 'string' || !each.startsWith('attachment://'))
          return [key, walk(each)];
        const file = message.files.find(({ filename }) => filename === each.slice('attachment://'.length));
        return [key, file ? this.address(file) : each];
      });
      const made = Object.fromEntries(entries) as Record<string, unknown>;
      if (typeof made['type'] === 'number' && made['type'] !== undefined && made['id'] === undefined)
        made['id'] = ++id;
      return made;
    };
    return walk(message.components);
  }

  addMessage(
    message: Pick<
      Message,
      'authorId' | 'channelId' | 'content' | 'flags' | 'components' | 'files' | 'onlyFor'
    >,
  ): Message {
    const made: Message = {
      ...message,
      id: this.newId(),
      createdAt: this.now(),
      editedAt: null,
      reactions: [],
      shown: 1,
      editsWhenOld: 0,
    };
    this.channels.get(message.channelId)!.messages.set(made.id, made);
    return made;
  }

  /** Somebody reacts. @throws Refusal 30010 */
  react(message: Message, user: User, emoji: string, burst = false): void {
    let reaction = message.reactions.find((each) => each.emoji === emoji);
    if (!reaction) {
      if (message.reactions.length >= 20)
        throw new Refusal(403, 30_010, 'Maximum number of reactions reached (20)');
      reaction = { emoji, users: new Set(), super: new Set() };
      message.reactions.push(reaction);
    }
    const set = burst ? reaction.super : reaction.users;
    if (set.has(user.id)) return;
    set.add(user.id);
    // Reactions in direct messages are another intent, which Krona does not ask for.
    if (this.channels.get(message.channelId)?.directTo) return;
    this.tell('MESSAGE_REACTION_ADD', {
      user_id: user.id,
      channel_id: message.channelId,
      message_id: message.id,
      guild_id: this.guildId,
      member: this.memberData(user),
      message_author_id: message.authorId,
      emoji: emojiData(emoji),
      burst,
      type: burst ? 1 : 0,
    });
  }

  unreact(message: Message, user: User, emoji: string, burst = false): void {
    const reaction = message.reactions.find((each) => each.emoji === emoji);
    if (!(burst ? reaction?.super : reaction?.users)?.delete(user.id) || !reaction)
      throw new Error(`${user.username} has no ${emoji} there`);
    if (reaction.users.size + reaction.super.size === 0)
      message.reactions.splice(message.reactions.indexOf(reaction), 1);
    // Who it was is told by id alone.
    this.tell('MESSAGE_REACTION_REMOVE', {
      user_id: user.id,
      channel_id: message.channelId,
      message_id: message.id,
      guild_id: this.guildId,
      emoji: emojiData(emoji),
      burst,
      type: burst ? 1 : 0,
    });
  }
}

/** `name:id` of a server's own emoji, or the character. */
export function emojiData(emoji: string): { id: string | null; name: string } {
  const [, name, id] = /^(\w+):(\d+)$/.exec(emoji) ?? [];
  return id === undefined ? { id: null, name: emoji } : { id, name: name! };
}

/** Every component of a message, those inside others included. */
export function flat(components: readonly unknown[]): Record<string, unknown>[] {
  return components.flatMap((each) => {
    const component = each as Record<string, unknown>;
    const inside = [component['components'], component['component'] && [component['component']]]
      .filter((list) => Array.isArray(list))
      .flatMap((list) => flat(list as unknown[]));
    return [component, ...inside];
  });
}

export const isButton = (component: Record<string, unknown>): boolean =>
  component['type'] === ComponentType.Button;

/** What can be chosen from the lists of a message. */
export const choicesOf = (components: readonly Record<string, unknown>[]) =>
  components
    .filter(({ type }) => type === ComponentType.StringSelect)
    .flatMap(({ custom_id: menu, options }) =>
      (options as { label: string; value: string }[]).map((option) => ({ menu, ...option })),
    );
