/** @file Slack as the scenarios see it: the real bot and Bolt before the fake of test/fakes/slack, in Socket Mode. */
import { SlackWorld } from '../bot/slack-world.ts';
import { type FakeSlack, labelsOf, textOf, type Person } from '../fakes/slack/fake-slack.ts';
import { APP_TOKEN, BOT_TOKEN, BOT_USER, type Json } from '../fakes/slack/workspace.ts';
import { until } from '../helpers/until.ts';
import {
  type ChatMember,
  type Faults,
  type FragileChat,
  isPreview,
  type Seen,
  type TestPhoto,
} from './driver.ts';

const NUMBERS = ['one', 'two', 'three', 'four'];

export async function openSlackChat(): Promise<FragileChat> {
  const world = await SlackWorld.open();
  const { slack } = world;
  const channel = await slack.channel('pets', []);
  return {
    platform: 'slack',
    faults: faultsOf(slack, channel),
    numbers: async ({ id }) => (await slack.messages(channel)).find(({ ts }) => ts === id)!.reactions.length,
    log: world.log,
    storage: world.storage,
    channelId: channel,
    environment: {
      ...world.environment,
      SLACK_BOT_TOKEN: BOT_TOKEN,
      SLACK_APP_TOKEN: APP_TOKEN,
      KRONA_SLACK_API: slack.config().api!,
    },
    async member(name, { moderator = false } = {}) {
      const person = await slack.person(name, { admin: moderator });
      await slack.act('channel', { channel, join: person.id });
      return new SlackMember(person, channel);
    },
    messages: async () => (await slack.messages(channel)).map(({ ts, blocks }) => read(ts, blocks)),
    files: async () =>
      (await slack.see()).files.filter(({ owner, deleted }) => owner === BOT_USER && !deleted).length,
    async deleteThere({ id }) {
      const person = await slack.person('Admin', { admin: true });
      await slack.act('channel', { channel, join: person.id });
      await person.deletes(channel, id);
    },
    limitDeletion: async () => {
      for (const method of ['chat.delete', 'files.delete'])
        await slack.act('fault', { method, kind: 'limit', times: 1, value: 1 });
    },
    // The fake notes every text that would ping as a problem.
    pinged: async () => (await slack.see()).problems.filter((problem) => problem.includes('pings')),
    stopBot: () => world.stopBot(),
    startBot: () => world.startBot(),
    close: () => world.close(),
  };
}

function faultsOf(slack: FakeSlack, channel: string): Faults {
  return {
    async token(good) {
      await slack.act('tokens', { bot: good, app: good });
      if (!good) await slack.act('disconnect');
    },
    posting: (allowed) => slack.act('channel', { channel, restricted: !allowed }),
    inside: (is) => slack.act('channel', { channel, bot: is }),
    async deleteMessage({ id }) {
      const admin = await slack.person('Admin', { admin: true });
      await slack.act('channel', { channel, join: admin.id });
      await admin.deletes(channel, id);
    },
    deleteChannel: () => slack.act('channel', { channel, deleted: true }),
    leave: (member) => slack.act('leave', { user: (member as SlackMember).id }),
    async limit(seconds) {
      const fault = { method: 'chat.postMessage', kind: 'limit', times: 1, value: String(seconds) };
      await slack.act('fault', fault);
    },
    async reactions(lost) {
      const times = lost ? Number.MAX_SAFE_INTEGER : 0;
      await slack.act('fault', { method: 'reactions.add', kind: 'refuse', times, value: 'internal_error' });
    },
    limited: async () => (await slack.see()).limited['chat.postMessage'] ?? 0,
    networkGone: () => slack.act('down', { down: true }),
    async networkBack(minutesLater) {
      await slack.act('advance', { ms: minutesLater * 60_000 });
      await slack.act('down', { down: false });
    },
    violations: async () => (await slack.see()).problems,
  };
}

class SlackMember implements ChatMember {
  readonly name: string;
  readonly #person: Person;
  readonly #channel: string;

  constructor(person: Person, channel: string) {
    this.name = person.name;
    this.#person = person;
    this.#channel = channel;
  }

  get id(): string {
    return this.#person.id;
  }

  /** Slash commands carry no files: a form opens, filled with what was typed. */
  async givePhotos(subject: string, className: string, photos: readonly TestPhoto[]): Promise<void> {
    await this.#types(`photos add subject:${subject} class:${className}`);
    await until(() => this.#person.form(), 'the form');
    await this.#sends({ consent: true }, photos);
  }

  async run(command: string): Promise<void> {
    await this.#types(command.replace(/^\/krona /, ''));
    if (!/^\/krona train/.test(command)) return;
    await until(() => this.#person.form(), 'the form');
    await this.#person.submits({});
  }

  async remix(message: Seen, picture: number, prompt: string): Promise<void> {
    await this.#person.usesShortcut(this.#channel, message.id, 'remix_picture');
    await until(() => this.#person.form(), 'the form');
    await this.#sends({ prompt, picture: String(picture) }, []);
  }

  async edit(picture: TestPhoto, prompt: string, where: string): Promise<void> {
    await this.#types(`edit ${prompt} where:${where}`);
    await until(() => this.#person.form(), 'the form');
    await this.#sends({ consent: true }, [picture]);
  }

  async upscale(picture: TestPhoto, by: string): Promise<void> {
    await this.#types(`upscale by:${by}`);
    await until(() => this.#person.form(), 'the form');
    await this.#sends({ consent: true }, [picture]);
  }

  async #sends(
    values: Readonly<Record<string, string | boolean>>,
    files: readonly TestPhoto[],
  ): Promise<void> {
    const complaint = await this.#person.submits(values, files);
    if (complaint !== null) throw new Error(`the form complains: ${JSON.stringify(complaint)}`);
  }

  async press(message: Seen, label: string): Promise<void> {
    await this.#person.presses(this.#channel, message.id, label);
  }

  vote(message: Seen, picture: number, added = true): Promise<void> {
    return this.#person.reacts(this.#channel, message.id, NUMBERS[picture - 1]!, added);
  }

  async whispers(): Promise<Seen[]> {
    return (await this.#person.whispers()).map(({ id, blocks }) => read(id, blocks));
  }

  async #types(text: string): Promise<void> {
    if (!(await this.#person.types(this.#channel, text))) throw new Error('Slack: krona did not answer');
  }
}

function read(id: string, blocks: readonly Json[]): Seen {
  const text = textOf(blocks);
  const alts = blocks.flatMap(({ type, alt_text: alt }) => (type === 'image' ? [String(alt)] : []));
  const images = alts.filter((alt) => !alt.startsWith('loss:') && !isPreview(alt));
  return {
    id,
    text: text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&'),
    pictures: images.length,
    preview: alts.find(isPreview) ?? null,
    files: text.match(/[^\s|<>]+\.safetensors/g) ?? [],
    buttons: labelsOf(blocks),
  };
}
