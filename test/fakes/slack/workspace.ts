/**
 * @file A Slack workspace in memory: people, channels, messages, files, forms, and a clock that can be put forward.
 * What was done that no client of Slack's could or should do is kept as a problem, for the test to fail on.
 */
import { randomBytes } from 'node:crypto';
import { appManifest } from '../../../bot/slack/manifest.ts';

export interface User {
  readonly id: string;
  readonly name: string;
  readonly realName: string;
  readonly admin: boolean;
  readonly bot: boolean;
  /** Of another workspace, in a shared channel. */
  readonly team: string;
  /** Was deactivated. */
  left: boolean;
}

export interface Message {
  readonly ts: string;
  readonly channel: string;
  readonly user: string;
  text: string;
  blocks: Json[];
  readonly metadata: Json | null;
  readonly thread: string | null;
  readonly files: string[];
  /** Names with those who gave them, in order. */
  readonly reactions: { name: string; users: string[] }[];
  edits: number;
  /** Takes no more edits. */
  locked: boolean;
}

/** A message that one person sees, and that is gone when the page is loaded again. */
export interface Ephemeral {
  readonly id: string;
  readonly channel: string;
  readonly user: string;
  readonly text: string;
  readonly blocks: Json[];
}

export interface SlackFile {
  readonly id: string;
  readonly name: string;
  readonly owner: string;
  bytes: Buffer | null;
  /** When Slack is done with it, by the workspace's clock; null before it is complete. */
  readyAt: number | null;
  deleted: boolean;
  readonly shares: { channel: string; ts: string; thread: string | null }[];
  /** Handed to the app in a form. */
  given: boolean;
}

export interface Channel {
  readonly id: string;
  readonly name: string;
  readonly kind: 'channel' | 'im' | 'mpim';
  readonly members: Set<string>;
  readonly messages: Message[];
  archived: boolean;
  deleted: boolean;
  restricted: boolean;
}

export interface View {
  readonly id: string;
  readonly user: string;
  readonly view: Json;
  readonly hash: string;
}

// oxlint-disable-next-line typescript/no-explicit-any
export type Json = Record<string, any>;

export const BOT_USER = 'U0KRONABOT';
export const APP_ID = 'A0KRONA';
/** Another workspace is another process, with these in its environment. */
export const TEAM = process.env['FAKE_SLACK_TEAM'] ?? 'T0FAKE';
export const BOT_TOKEN = process.env['FAKE_SLACK_TOKEN'] ?? 'xoxb-fake-bot-token';
export const APP_TOKEN = 'xapp-1-fake-app-token';
export const SIGNING_SECRET = 'fake-signing-secret';

const SCOPES = [
  'commands',
  'chat:write',
  'files:read',
  'files:write',
  'reactions:read',
  'reactions:write',
  'users:read',
  'usergroups:read',
  'channels:history',
  'groups:history',
  'groups:read',
];

export class Workspace {
  readonly users = new Map<string, User>();
  readonly channels = new Map<string, Channel>();
  readonly files = new Map<string, SlackFile>();
  readonly ephemerals: Ephemeral[] = [];
  /** Open forms by user. */
  readonly forms = new Map<string, View>();
  readonly homes = new Map<string, Json>();
  /** User groups by id. */
  readonly groups = new Map<string, { readonly handle: string; readonly users: readonly string[] }>();
  /** How the app's command is declared, and whether names come with the ids that its text is given. */
  readonly command = {
    shouldEscape: appManifest(null).features!.slash_commands![0]!.should_escape,
    names: true,
  };
  readonly problems: string[] = [];
  /** How often each method was called, and how often it was refused for its rate. */
  readonly calls = new Map<string, number>();
  readonly limited = new Map<string, number>();
  readonly scopes = new Set(SCOPES);
  /** Given out as every event's trigger id; null: each has its own, as at Slack. */
  onlyTrigger: string | null = null;
  tokenAlive = true;
  appTokenAlive = true;
  /** How long Slack works on a file, ms. */
  fileDelay = 400;
  #offset = 0;
  #count = 0;
  readonly #due: { readonly at: number; readonly work: () => void }[] = [];

  constructor() {
    this.users.set(BOT_USER, {
      id: BOT_USER,
      name: 'krona',
      realName: 'krona',
      admin: false,
      bot: true,
      team: TEAM,
      left: false,
    });
    setInterval(() => this.#tick(), 20).unref();
  }

  now(): number {
    return Date.now() + this.#offset;
  }

  advance(ms: number): void {
    this.#offset += ms;
    this.#tick();
  }

  /** Does something when the clock has come so far. */
  after(ms: number, work: () => void): void {
    this.#due.push({ at: this.now() + ms, work });
  }

  #tick(): void {
    const now = this.now();
    for (let i = 0; i < this.#due.length; i++)
      if (this.#due[i]!.at <= now) this.#due.splice(i--, 1)[0]!.work();
  }

  id(prefix: string): string {
    this.#count += 1;
    return `${prefix}${String(this.#count).padStart(4, '0')}${randomBytes(3).toString('hex').toUpperCase()}`;
  }

  ts(): string {
    this.#count += 1;
    return `${Math.floor(this.now() / 1000)}.${String(this.#count).padStart(6, '0')}`;
  }

  problem(text: string): void {
    this.problems.push(text);
  }

  channel(id: string): Channel | null {
    const channel = this.channels.get(id);
    return channel && !channel.deleted ? channel : null;
  }

  message(channelId: string, ts: string): Message | null {
    return this.channel(channelId)?.messages.find((each) => each.ts === ts) ?? null;
  }

  /** Takes a message away. What it shared is not shared there any more. */
  unpost({ messages }: Channel, message: Message): void {
    messages.splice(messages.indexOf(message), 1);
    for (const id of message.files) {
      const { shares } = this.files.get(id)!;
      shares.splice(0, shares.length, ...shares.filter(({ ts }) => ts !== message.ts));
    }
  }

  isReady(file: SlackFile): boolean {
    return file.readyAt !== null && file.readyAt <= this.now();
  }

  /** Whether the app may read a file: its own, given in a form, or in a channel that it is in. */
  appSees(file: SlackFile): boolean {
    return (
      file.owner === BOT_USER ||
      file.given ||
      file.shares.some(({ channel }) => this.channel(channel)?.members.has(BOT_USER))
    );
  }
}

const KINDS: Readonly<Record<string, string>> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  gif: 'image/gif',
  webp: 'image/webp',
};

/** What a file is, by its first bytes as Slack finds out, not by its name. */
export function mimeOf({ name, bytes }: SlackFile): string {
  const start = bytes?.subarray(0, 12).toString('latin1') ?? '';
  if (start.startsWith('\x89PNG')) return 'image/png';
  if (start.startsWith('\xff\xd8\xff')) return 'image/jpeg';
  if (start.startsWith('GIF8')) return 'image/gif';
  if (start.startsWith('RIFF') && start.endsWith('WEBP')) return 'image/webp';
  const byName = KINDS[name.split('.').at(-1)!.toLowerCase()];
  return byName === undefined ? 'application/octet-stream' : 'text/plain';
}
