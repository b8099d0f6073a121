/** @file The fake Slack from a test: starts its process, and gives people to act with and their view of things. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { SlackConfig } from '../../../core/config.ts';
import { bundled } from '../../helpers/bundled.ts';
import {
  APP_TOKEN,
  BOT_TOKEN,
  type Ephemeral,
  type Json,
  type Message,
  SIGNING_SECRET,
  TEAM,
} from './workspace.ts';

export interface TestFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface Sight {
  readonly problems: readonly string[];
  readonly calls: Readonly<Record<string, number>>;
  readonly limited: Readonly<Record<string, number>>;
  readonly connections: number;
  /** Requests of the bot's and to it that came to nothing, as one of the two was away. */
  readonly tries: number;
  readonly acks: readonly number[];
  readonly channels: Readonly<Record<string, Message[]>>;
  readonly ephemerals: readonly Ephemeral[];
  readonly forms: Readonly<Record<string, { readonly view: Json }>>;
  readonly homes: Readonly<Record<string, Json>>;
  readonly files: readonly {
    readonly id: string;
    readonly name: string;
    readonly owner: string;
    readonly deleted: boolean;
    readonly size: number;
    readonly shares: readonly { readonly channel: string; readonly ts: string }[];
  }[];
}

const given = (files: readonly TestFile[]) =>
  files.map(({ name, bytes }) => ({ name, base64: Buffer.from(bytes).toString('base64') }));

export class FakeSlack {
  readonly address: string;
  readonly #process: ChildProcess;

  private constructor(address: string, child: ChildProcess) {
    this.address = address;
    this.#process = child;
  }

  static async start({ team = TEAM, token = BOT_TOKEN } = {}): Promise<FakeSlack> {
    const child = fork(bundled(join(import.meta.dirname, 'server.ts')), [], {
      execArgv: [],
      env: { ...process.env, FAKE_SLACK_TEAM: team, FAKE_SLACK_TOKEN: token },
    });
    const [address] = (await once(child, 'message')) as [string];
    return new FakeSlack(address, child);
  }

  async stop(): Promise<void> {
    this.#process.disconnect();
    await once(this.#process, 'exit');
  }

  /** What the bot is told to use: Socket Mode, or HTTP. */
  config(http = false): SlackConfig & { readonly botToken: string } {
    return {
      botToken: BOT_TOKEN,
      oauth: null,
      appToken: http ? null : APP_TOKEN,
      signingSecret: http ? SIGNING_SECRET : null,
      api: `${this.address}/api/`,
    };
  }

  /** Does something; see server.ts. Rejects when a person could not. */
  async act<T = unknown>(what: string, how: object = {}): Promise<T> {
    const response = await fetch(`${this.address}/do/${what}`, { method: 'POST', body: JSON.stringify(how) });
    const answer = (await response.json()) as { result?: T; notPossible?: string; error?: string };
    if (!response.ok) throw new Error(answer.notPossible ?? answer.error);
    return answer.result as T;
  }

  async see(): Promise<Sight> {
    return (await (await fetch(`${this.address}/see`)).json()) as Sight;
  }

  async person(
    name: string,
    how: {
      readonly admin?: boolean;
      readonly bot?: boolean;
      readonly team?: string;
      readonly id?: string;
    } = {},
  ): Promise<Person> {
    return new Person(this, await this.act<string>('addUser', { name, ...how }), name);
  }

  async channel(
    name: string,
    members: readonly Person[],
    how: {
      readonly isPrivate?: boolean;
      readonly withBot?: boolean;
      readonly kind?: 'im' | 'mpim';
      readonly id?: string;
    } = {},
  ): Promise<string> {
    return this.act('addChannel', { name, members: members.map(({ id }) => id), ...how });
  }

  /** Messages of a channel, threads left out, oldest first. */
  async messages(channel: string): Promise<Message[]> {
    return ((await this.see()).channels[channel] ?? []).filter(({ thread }) => thread === null);
  }
}

/** Somebody with Slack's client open. */
export class Person {
  readonly id: string;
  readonly name: string;
  readonly #slack: FakeSlack;

  constructor(slack: FakeSlack, id: string, name: string) {
    this.#slack = slack;
    this.id = id;
    this.name = name;
  }

  /** Types `/krona <text>`. False: Slack says that the app did not answer. */
  async types(channel: string, text: string): Promise<boolean> {
    return (await this.#do<{ acknowledged: boolean }>('command', { channel, text })).acknowledged;
  }

  says(channel: string, text: string, files: readonly TestFile[] = []): Promise<string> {
    return this.#do('say', { channel, text, files: given(files) });
  }

  async usesShortcut(channel: string, ts: string, callback = 'add_photos'): Promise<boolean> {
    return (await this.#do<{ acknowledged: boolean }>('shortcut', { channel, ts, callback })).acknowledged;
  }

  suggestions(block: string, typed: string): Promise<string[]> {
    return this.#do('suggestions', { block, typed });
  }

  /** Sends the open form. @returns what it complains of, by field; null when it was taken */
  async submits(
    values: Readonly<Record<string, string | boolean>>,
    files: readonly TestFile[] = [],
  ): Promise<Json | null> {
    const { acknowledged, errors } = await this.#do<{ acknowledged: boolean; errors: Json | null }>(
      'submit',
      {
        values,
        files: given(files),
      },
    );
    if (!acknowledged) throw new Error('Slack: we had some trouble connecting');
    return errors;
  }

  async presses(channel: string, ts: string, label: string): Promise<boolean> {
    return (await this.#do<{ acknowledged: boolean }>('press', { channel, ts, label })).acknowledged;
  }

  reacts(channel: string, ts: string, name: string, added = true): Promise<void> {
    return this.#do('react', { channel, ts, name, added });
  }

  opensHome(): Promise<void> {
    return this.#do('openHome', {});
  }

  deletes(channel: string, ts: string): Promise<void> {
    return this.#do('deleteMessage', { channel, ts });
  }

  /** The form in front of this person. */
  async form(): Promise<Json | null> {
    return (await this.#slack.see()).forms[this.id]?.view ?? null;
  }

  /** What this person alone was shown, oldest first. */
  async whispers(): Promise<Ephemeral[]> {
    return (await this.#slack.see()).ephemerals.filter(({ user }) => user === this.id);
  }

  #do<T>(what: string, how: object): Promise<T> {
    return this.#slack.act(what, { user: this.id, ...how });
  }
}

/** All text in blocks, in order, one line a text. */
export function textOf(blocks: readonly Json[]): string {
  const found: string[] = [];
  const walk = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(walk);
    else if (typeof value === 'object' && value !== null) {
      const { text, type } = value as Json;
      if (typeof text === 'string' && (type === 'mrkdwn' || type === 'plain_text')) found.push(text);
      Object.values(value as Json).forEach(walk);
    }
  };
  walk(blocks);
  return found.join('\n');
}

/** Ids of the files that image blocks show. */
export const imagesOf = (blocks: readonly Json[]): string[] =>
  blocks.filter(({ type }) => type === 'image').map(({ slack_file: file }) => String((file as Json)['id']));

export const labelsOf = (blocks: readonly Json[]): string[] =>
  blocks
    .filter(({ type }) => type === 'actions')
    .flatMap(({ elements }) => elements as Json[])
    .flatMap((element) => (element['type'] === 'static_select' ? (element['options'] as Json[]) : [element]))
    .map(({ text }) => String((text as Json)['text']));
