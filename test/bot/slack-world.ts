/**
 * @file The real bot on a PostgreSQL server with the fake Slack before it, in Socket Mode or over HTTP, and
 * somebody who plays the worker.
 */
import { inspect } from 'node:util';
import type { Log } from '../../core/log.ts';
import { type Bot, startBot } from '../../bot/main.ts';
import type { Storage } from '../../storage/open.ts';
import type { PictureSet, Run } from '../../core/records.ts';
import { FakeSlack, textOf } from '../fakes/slack/fake-slack.ts';
import type { Ephemeral, Message } from '../fakes/slack/workspace.ts';
import { until } from '../helpers/until.ts';
import type { TestHouse } from '../helpers/house.ts';
import { openServerHouse } from '../helpers/server-house.ts';
import { PlayedWorker, sprite } from './world.ts';

export class SlackWorld {
  readonly slack: FakeSlack;
  readonly storage: Storage;
  readonly worker: PlayedWorker;
  /** What the bot warned and complained of. */
  readonly log: string[] = [];
  readonly #house: TestHouse;
  readonly #http: boolean;
  #bot: Bot | null = null;

  private constructor(slack: FakeSlack, house: TestHouse, http: boolean) {
    this.slack = slack;
    this.#house = house;
    this.#http = http;
    this.storage = house.storage;
    this.worker = new PlayedWorker(house.storage);
  }

  static async open({ http = false } = {}): Promise<SlackWorld> {
    const [slack, house] = await Promise.all([FakeSlack.start(), openServerHouse()]);
    const world = new SlackWorld(slack, house, http);
    await world.startBot();
    return world;
  }

  /** Of the storage, for another process. */
  get environment(): TestHouse['environment'] {
    return this.#house.environment;
  }

  get address(): string {
    return this.#bot!.address;
  }

  async startBot(): Promise<void> {
    const say = (fields: object, message: string) => void this.log.push(`${message} ${describe(fields)}`);
    const log: Log = { info: () => {}, warn: say, error: say };
    const config = { ...this.#house.config, slack: this.slack.config(this.#http) };
    this.#bot = await startBot(this.storage, config, { log });
    await this.slack.act('http', { url: this.#http ? `${this.#bot.address}/slack/events` : null });
  }

  async stopBot(): Promise<void> {
    await this.#bot?.stop();
    this.#bot = null;
  }

  async close(): Promise<void> {
    await this.stopBot();
    await this.slack.stop();
    await this.#house.close();
  }

  async openRun(channel: string): Promise<Run> {
    return until(async () => (await this.#openWork(channel)).runs[0], 'a run');
  }

  async openSet(channel: string): Promise<PictureSet> {
    return until(
      async () => (await this.#openWork(channel)).sets.find(({ runId }) => runId === null),
      'a set',
    );
  }

  async #openWork(channel: string) {
    const { records } = this.storage;
    const found = (await records.channels('slack')).find(({ externalId }) => externalId === channel);
    return found ? records.openWork(found.id) : { runs: [], sets: [] };
  }

  /** The newest message of a channel whose text has this in it, once there is one. */
  async message(channel: string, words: string | RegExp): Promise<Message> {
    return until(
      async () =>
        (await this.slack.messages(channel)).reverse().find(({ blocks }) => has(textOf(blocks), words)),
      `a message with ${words}`,
    );
  }

  /** What somebody alone is shown, once it has this in it. */
  async whisper(person: { whispers(): Promise<Ephemeral[]> }, words: string | RegExp): Promise<Ephemeral> {
    return until(
      async () => (await person.whispers()).reverse().find(({ blocks }) => has(textOf(blocks), words)),
      `a whisper with ${words}`,
    );
  }
}

const has = (text: string, words: string | RegExp): boolean =>
  typeof words === 'string' ? text.includes(words) : words.test(text);

function describe(fields: object): string {
  const { error, messageId = '' } = fields as { error?: unknown; messageId?: string };
  if (!(error instanceof Error)) return JSON.stringify(fields);
  return `${messageId} ${error.message} ${inspect(error.cause)}`;
}

/** Photos of a cat as members send them, each another one. */
export async function catPhotos(count: number): Promise<{ name: string; bytes: Buffer }[]> {
  const colours = ['#cfe3f7', '#f7e2b8', '#d9f0d0', '#f3d3dd', '#ddd', '#bca'].slice(0, count);
  return Promise.all(
    colours.map(async (colour, n) => ({
      name: `mochi-${n + 1}.png`,
      bytes: await sprite('cat-face', colour, 128, 9 * n),
    })),
  );
}

/** @param turn degrees, for pictures that no other set has */
export const drawings = (count: number, turn = 0): Promise<Buffer[]> =>
  Promise.all(
    ['#d33', '#3a3', '#33d', '#cc3'].slice(0, count).map((colour) => sprite('fox', colour, 128, turn)),
  );
