/** @file The whole bot on a PostgreSQL server, in front of it the fake Discord with people who use its client. */
import type { Log } from '../../core/log.ts';
import { registerCommands } from '../../bot/discord/register.ts';
import { type Bot, startBot } from '../../bot/main.ts';
import type { Config } from '../../core/config.ts';
import type { Storage } from '../../storage/open.ts';
import type { GivenFields, GivenFile, GivenOptions } from '../fakes/discord/actors.ts';
import { type FakeDiscord, startFakeDiscord } from '../fakes/discord/fake-discord.ts';
import type { MessageView } from '../fakes/discord/views.ts';
import { until } from '../helpers/until.ts';
import type { TestHouse } from '../helpers/house.ts';
import { openServerHouse } from '../helpers/server-house.ts';
import { PlayedWorker, sprite } from './world.ts';

/** Somebody in a channel, with what he can do there. */
export class Person {
  readonly id: string;
  readonly #discord: FakeDiscord;
  readonly #channelId: string;

  constructor(discord: FakeDiscord, id: string, channelId: string) {
    this.#discord = discord;
    this.id = id;
    this.#channelId = channelId;
  }

  get channelId(): string {
    return this.#channelId;
  }

  /** Sends a command and waits until Discord says no more than that it was answered. */
  async command(path: string, options: GivenOptions = {}) {
    return this.#settled(await this.#discord.command(this.id, this.#channelId, path, options));
  }

  /** Chooses a command from the menu of a message. */
  async choose(messageId: string, name: string) {
    return this.#settled(await this.#discord.messageCommand(this.id, this.#channelId, messageId, name));
  }

  async submit(interactionId: string, fields: GivenFields) {
    return this.#settled(await this.#discord.submit(interactionId, fields));
  }

  /** Sends a form that somebody else was shown. */
  async forge(interactionId: string, fields: GivenFields) {
    return this.#settled(await this.#discord.submit(interactionId, fields, this.id));
  }

  /** Presses a button; `answered` waits for an answer of its own. */
  async press(messageId: string, label: string) {
    const id = await this.#discord.press(this.id, this.#channelId, messageId, label);
    await until(
      async () => (await this.#discord.interaction(id)).state !== 'waiting',
      'a word on the button',
    );
    return {
      id,
      answered: () =>
        until(async () => (await this.#discord.interaction(id)).answers[0], 'an answer to the button'),
    };
  }

  async complete(path: string, option: string, typed: string): Promise<string[]> {
    const id = await this.#discord.complete(this.id, this.#channelId, path, option, typed);
    const choices = await until(async () => (await this.#discord.interaction(id)).choices, 'choices');
    return choices.map(({ value }) => String(value));
  }

  react = (messageId: string, emoji: string, burst = false) =>
    this.#discord.react(this.id, this.#channelId, messageId, emoji, burst);
  unreact = (messageId: string, emoji: string) =>
    this.#discord.unreact(this.id, this.#channelId, messageId, emoji);
  say = (content: string, files: readonly GivenFile[] = []) =>
    this.#discord.say(this.id, this.#channelId, content, files);
  sees = (): Promise<MessageView[]> => this.#discord.messages(this.id, this.#channelId);

  /** The newest message that he sees with these words in it. */
  found = (words: string | RegExp): Promise<MessageView> =>
    until(
      async () =>
        (await this.sees()).findLast(({ text }) =>
          typeof words === 'string' ? text.includes(words) : words.test(text),
        ),
      `a message with ${String(words)}`,
    );

  async #settled(id: string) {
    const open = ['waiting', 'thinking'];
    const settled = await until(async () => {
      const interaction = await this.#discord.interaction(id);
      return open.includes(interaction.state) ? null : interaction;
    }, 'an answer to a command');
    return { id, ...settled };
  }
}

export interface DiscordWorld {
  readonly discord: FakeDiscord;
  readonly storage: Storage;
  readonly config: Config;
  /** Of the storage, for another process. */
  readonly environment: TestHouse['environment'];
  readonly worker: PlayedWorker;
  /** What the bot logged as warnings and errors. */
  readonly problems: string[];
  /** Where the bot's own pages are. */
  address(): string;
  /** A channel of its own, with people in it. */
  channel(options?: {
    nsfw?: boolean;
  }): Promise<{ id: string; join: (name: string, moderator?: boolean) => Promise<Person> }>;
  /** Somebody in direct messages with the bot; `installed`: from no server of it. */
  direct(name: string, options?: { installed?: boolean }): Promise<Person>;
  stopBot(): Promise<void>;
  startBot(): Promise<void>;
  close(): Promise<void>;
}

export async function openDiscordWorld(
  change: Partial<Config['discord'] & object> = {},
): Promise<DiscordWorld> {
  const [house, discord] = await Promise.all([openServerHouse(), startFakeDiscord()]);
  const { storage } = house;
  const config: Config = { ...house.config, discord: { ...(await discord.config()), ...change } };
  await registerCommands(config.discord!, null);
  const problems: string[] = [];
  const note = (fields: object, message: string) => {
    const { error, messageId } = fields as { error?: unknown; messageId?: string };
    const where = messageId === undefined ? '' : ` ${messageId}`;
    problems.push(`${message}${where}${error instanceof Error ? `: ${error.stack}` : ''}`);
  };
  const log: Log = { info: () => {}, warn: note, error: note };
  let bot: Bot | null = await startBot(storage, config, { log });
  let channels = 0;
  return {
    discord,
    storage,
    config,
    environment: house.environment,
    worker: new PlayedWorker(storage, 'discord'),
    problems,
    address: () => bot!.address,
    async channel({ nsfw = false } = {}) {
      const id = await discord.addChannel(`pets-${++channels}`, nsfw);
      return {
        id,
        join: async (name, moderator = false) =>
          new Person(discord, await discord.addUser(name, { moderator }), id),
      };
    },
    async direct(name, options = {}) {
      const id = await discord.addUser(name, {});
      return new Person(discord, id, await discord.addDirect(id, options));
    },
    async stopBot() {
      await bot?.stop();
      bot = null;
    },
    async startBot() {
      bot = await startBot(storage, config, { log });
    },
    async close() {
      await bot?.stop();
      await discord.stop();
      await house.close();
    },
  };
}

/** Four photos of one thing that differ enough. */
export const photos = async (name = 'cat-face'): Promise<GivenFile[]> =>
  Promise.all(
    ['#d9b26f', '#7fae6b', '#6b8fae', '#ae6b8f'].map(async (colour, turn) => ({
      name: `${name}-${turn + 1}.png`,
      bytes: await sprite(name, colour, 512, turn * 40),
    })),
  );
