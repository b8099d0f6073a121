/** @file Discord as the scenarios see it: the real bot and discord.js before the fake of test/fakes/discord. */
import { type DiscordWorld, openDiscordWorld, type Person } from '../bot/discord-world.ts';
import type { MessageView } from '../fakes/discord/views.ts';
import { asTyped } from './crowd.ts';
import {
  type ChatMember,
  type Faults,
  type FragileChat,
  isPreview,
  type Seen,
  type TestPhoto,
} from './driver.ts';

export async function openDiscordChat(): Promise<FragileChat> {
  const world = await openDiscordWorld();
  const channel = await world.channel();
  const watcher = await channel.join('Watcher');
  return {
    platform: 'discord',
    faults: faultsOf(world, channel.id),
    numbers: async ({ id }) => (await watcher.sees()).find((message) => message.id === id)!.reactions.length,
    log: world.problems,
    storage: world.storage,
    channelId: channel.id,
    environment: {
      ...world.environment,
      DISCORD_TOKEN: world.config.discord!.token,
      KRONA_DISCORD_API: world.config.discord!.api!,
    },
    member: async (name, { moderator = false } = {}) =>
      new DiscordMember(name, await channel.join(name, moderator)),
    messages: async () =>
      (await watcher.sees()).filter(({ colour, onlyFor }) => colour !== null && onlyFor === null).map(read),
    // Files go with the message that they are attached to.
    files: async () =>
      (await watcher.sees()).reduce((sum, { pictures, files }) => sum + pictures.length + files.length, 0),
    deleteThere: ({ id }) => world.discord.deleteMessage(channel.id, id),
    limitDeletion: () =>
      world.discord.trouble({
        method: 'DELETE',
        path: '/messages/\\d+$',
        kind: 'limited',
        times: 1,
        retryAfter: 1,
        scope: 'shared',
      }),
    // The fake refuses messages that could ping; this is what it lets through.
    pinged: async () =>
      (await watcher.sees()).flatMap(({ raw }) => [
        ...(raw['mentions'] as string[]),
        ...(raw['mention_everyone'] === true ? ['everyone'] : []),
      ]),
    stopBot: () => world.stopBot(),
    startBot: () => world.startBot(),
    close: () => world.close(),
  };
}

function faultsOf({ discord }: DiscordWorld, channelId: string): Faults {
  return {
    token: (good) => (good ? discord.acceptToken() : discord.revokeToken()),
    posting: (allowed) => discord.forbid(channelId, allowed ? [] : ['SendMessages']),
    inside: (is) => (is ? discord.letIn() : discord.putOut()),
    deleteMessage: async ({ id }) => void (await discord.deleteMessage(channelId, id)),
    deleteChannel: () => discord.deleteChannel(channelId),
    leave: (member) => discord.leave((member as DiscordMember).id),
    async limit(retryAfter) {
      const limit = { kind: 'limited', retryAfter, scope: 'shared', times: 1 } as const;
      await discord.trouble({ ...limit, method: 'POST', path: `^/channels/${channelId}/messages$` });
    },
    async reactions(lost) {
      const fault = { kind: 'lost', retryAfter: 0, scope: 'user', times: Infinity } as const;
      await (lost ? discord.trouble({ ...fault, method: 'PUT', path: '/reactions/' }) : discord.calm());
    },
    limited: () => discord.limited(),
    networkGone: () => discord.drop({ network: true, forget: true }),
    async networkBack(minutesLater) {
      await discord.advance(minutesLater * 60_000);
      await discord.up();
    },
    violations: () => discord.violations(),
  };
}

class DiscordMember implements ChatMember {
  readonly name: string;
  readonly #person: Person;

  constructor(name: string, person: Person) {
    this.name = name;
    this.#person = person;
  }

  get id(): string {
    return this.#person.id;
  }

  /** The form that `/krona photos add` without files opens. */
  async givePhotos(subject: string, className: string, photos: readonly TestPhoto[]): Promise<void> {
    const asked = await this.#person.command('photos add', { subject, class: className });
    await this.#person.submit(asked.id, { photos: [...photos], consent: true });
  }

  async run(command: string): Promise<void> {
    const { path, options } = asTyped(command);
    await this.#person.command(path, options);
  }

  async remix(message: Seen, picture: number, prompt: string): Promise<void> {
    const asked = await this.#person.choose(message.id, 'Remix a picture');
    await this.#person.submit(asked.id, { prompt, picture: String(picture) });
  }

  async edit(picture: TestPhoto, prompt: string, where: string): Promise<void> {
    await this.#person.command('edit', { picture, prompt, where });
  }

  async upscale(picture: TestPhoto, by: string): Promise<void> {
    await this.#person.command('upscale', { picture, by });
  }

  async press(message: Seen, label: string): Promise<void> {
    await this.#person.press(message.id, label);
  }

  async vote(message: Seen, picture: number, added = true): Promise<void> {
    const emoji = `${picture}\u20e3`;
    await (added ? this.#person.react(message.id, emoji) : this.#person.unreact(message.id, emoji));
  }

  async whispers(): Promise<Seen[]> {
    return (await this.#person.sees()).filter(({ onlyFor }) => onlyFor === this.#person.id).map(read);
  }
}

function read({ id, text, buttons, choices, pictures, files }: MessageView): Seen {
  const linked = text.match(/[^\s[\]()]+\.safetensors/g) ?? [];
  return {
    id,
    // The title is a heading.
    text: text.replace(/^#+ /, ''),
    pictures: pictures.filter(({ alt }) => !alt?.startsWith('Curve: ') && !isPreview(alt)).length,
    preview: pictures.find(({ alt }) => isPreview(alt))?.alt ?? null,
    files: [...files.map(({ name }) => name), ...linked],
    buttons: [...buttons.map(({ label }) => label), ...choices],
  };
}
