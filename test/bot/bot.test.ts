import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Delivery } from '../../bot/delivery/delivery.ts';
import { createHandlers } from '../../bot/dispatch.ts';
import type { Party } from '../../bot/gateway.ts';
import type { Log } from '../../core/log.ts';
import { startBot } from '../../bot/main.ts';
import { VoteDesk } from '../../bot/votes.ts';
import type { Card } from '../../commands/card.ts';
import type { CommandContext } from '../../commands/contract.ts';
import type { Storage } from '../../storage/open.ts';
import type { RecordStore } from '../../storage/records.ts';
import type { PictureSet } from '../../core/records.ts';
import { newRun, newSet, newSubject } from '../helpers/new-records.ts';
import { type StoppedClock, stopClock } from '../helpers/clock.ts';
import { until } from '../helpers/until.ts';
import { startMortalBot } from './mortal-bot.ts';
import { FakeGateway, type FakeMessage, FakePlatform } from '../helpers/fake-gateway.ts';
import type { TestHouse } from '../helpers/house.ts';
import { openServerHouse } from '../helpers/server-house.ts';
import { PlayedWorker, sprite } from './world.ts';

let house: TestHouse;
let storage: Storage;
const errors: string[] = [];
const log: Log = {
  info: () => {},
  warn: (_, message) => errors.push(message),
  error: (_, message) => errors.push(message),
};

beforeAll(async () => {
  house = await openServerHouse();
  storage = house.storage;
});
afterAll(() => house.close());

const ann: Party = { externalId: 'ann', name: 'Ann' };
const bob: Party = { externalId: 'bob', name: 'Bob' };

/** A bot on a platform; the platform outlives it. */
async function startOn(
  platform: FakePlatform,
  context: CommandContext = storage,
  interval = 50,
  reads = true,
) {
  const gateway = new FakeGateway(platform, interval);
  const delivery = new Delivery(gateway, context, log);
  const votes = new VoteDesk(gateway, context, log);
  await gateway.start(createHandlers({ platform: 'discord', context, delivery, votes, log }));
  delivery.start();
  if (reads) await votes.readAgain();
  const bot = {
    gateway,
    delivery,
    votes,
    async stop() {
      votes.stop();
      await gateway.stop();
      await delivery.stop();
    },
  };
  bots.push(bot);
  return bot;
}
/** Where a test has stopped the clock. */
let clock: StoppedClock | null = null;
/** Started in this test: one that fails must not leave a bot which takes the next test's messages. */
const bots: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  clock = null;
  await Promise.all(bots.splice(0).map((bot) => bot.stop()));
});

/** The storage with some methods of its records replaced. */
const withRecords = (change: Partial<RecordStore>): CommandContext => ({
  ...storage,
  records: { ...storage.records, ...change },
});
/** For a bot that dies between posting a message and noting it. */
const forgetful = () => withRecords({ markPost: () => Promise.reject(new Error('connection lost')) });

/** The pictures of a set, drawn by the worker that a test plays. */
async function drawn(set: PictureSet): Promise<void> {
  const worker = new PlayedWorker(storage);
  const colours = ['#d33', '#3d3', '#33d', '#dd3'].slice(0, set.count);
  await worker.draw(set, await Promise.all(colours.map((colour) => sprite('fox', colour, 64))));
}

describe('the bot on a chat platform', () => {
  let platform: FakePlatform;
  let place: Party;
  beforeEach(() => {
    platform = new FakePlatform();
    place = { externalId: randomUUID(), name: 'test' };
    errors.length = 0;
  });

  // All tests share the database: what others have left unposted is posted here, too.
  const messages = () =>
    [...platform.messages.values()].filter(({ channelId }) => channelId === place.externalId);
  const message = () => until(() => messages()[0]);
  const triesHere = () => platform.tries.get(place.externalId) ?? 0;
  /** Ends when the delivery has looked again twice at what there is to show, as it has then shown it elsewhere. */
  const laterLooks = async ({ gateway }: { gateway: FakeGateway }) => {
    const elsewhere = { externalId: randomUUID(), name: 'elsewhere' };
    await gateway.invoke(elsewhere, bob, { command: 'imagine', options: { prompt: 'a hare' } }).done;
    const { id } = await storage.records.channel('discord', elsewhere.externalId, elsewhere.name);
    const set = (await storage.records.openWork(id)).sets[0]!;
    const hare = await until(() =>
      [...platform.messages.values()].find(({ channelId }) => channelId === elsewhere.externalId),
    );
    await drawn(set);
    const pause = () => clock?.advance(gateway.interval);
    pause();
    await until(() => hare.card.pictures, 'pictures elsewhere');
    await storage.records.deleteSet(set.id, 'By Bob.');
    pause();
    await until(() => !platform.messages.has(hare.id), 'them taken away');
  };
  const setHere = async () => {
    const channel = await storage.records.channel('discord', place.externalId, place.name);
    return until(async () => (await storage.records.openWork(channel.id)).sets[0]);
  };

  it("answers a channel's commands in order", async () => {
    const bot = await startOn(platform);
    const order: string[] = [];
    const asked = ['first', 'second', 'third'].map((prompt) => {
      const answered = bot.gateway.invoke(place, ann, { command: 'imagine', options: { prompt } });
      void answered.done.then(() => order.push(prompt));
      return answered;
    });
    await Promise.all(asked.map(({ done }) => done));
    expect(order).toEqual(['first', 'second', 'third']);
    const posted = await until(() => (messages().length === 3 ? messages() : null));
    expect(posted.map(({ card }) => card.title).sort()).toEqual(['first', 'second', 'third']);
    await bot.stop();
  });

  it("reads one member's photos while others are answered, and the member's own commands wait", async () => {
    const bot = await startOn(platform);
    let send: (photo: Buffer) => void = () => {};
    const photo = new Promise<Buffer>((resolve) => (send = resolve));
    const attachments = [{ fileName: 'mochi.png', size: 1000, read: () => photo }];
    const order: string[] = [];
    const ask = (member: Party, command: string, more: object = {}) =>
      bot.gateway.invoke(place, member, { command, ...more }).done.then(() => order.push(member.name));
    const options = { subject: 'mochi', class: 'cat' };
    const added = ask(ann, 'photos', { action: 'add', options, attachments });
    const listed = ask(ann, 'photos', { action: 'list', options: { subject: 'mochi' } });
    await ask(bob, 'help');
    expect(order).toEqual(['Bob']);
    send(await sprite('cat-face', '#fff'));
    await Promise.all([added, listed]);
    expect(order).toEqual(['Bob', 'Ann', 'Ann']);
    expect(errors).toEqual([]);
  });

  it('shows errors that a member can fix only to that member, and logs only the others', async () => {
    const bot = await startOn(platform);
    const slip = bot.gateway.invoke(place, ann, {
      command: 'train',
      options: { subject: 'mochi', class: 'cat' },
    });
    await slip.done;
    expect(slip.cards).toMatchObject([{ tone: 'error', audience: 'caller' }]);
    expect(errors).toEqual([]);

    const broken = withRecords({ modelCard: () => Promise.reject(new TypeError('bug')) });
    const other = await startOn(platform, broken);
    const failed = other.gateway.invoke(place, ann, { command: 'settings', action: 'show' });
    const trained = other.gateway.invoke(place, ann, {
      command: 'train',
      options: { subject: 'rex', class: 'dog' },
    });
    await Promise.all([failed.done, trained.done]);
    const card = [...failed.cards, ...trained.cards].find(({ title }) => title.includes('went wrong'))!;
    expect(card).toMatchObject({ tone: 'error', audience: 'caller' });
    expect(JSON.stringify(card)).not.toContain('bug');
    expect(errors).toContain('could not answer a member');
    await bot.stop();
    await other.stop();
  });

  it('shows a set in one message, with pauses between edits, up to its end', async () => {
    const stopped = stopClock();
    const PAUSE = 200;
    const bot = await startOn(platform, storage, PAUSE);
    await bot.gateway.invoke(place, ann, { command: 'imagine', options: { prompt: 'a fox' } }).done;
    const { shown } = await message();
    const set = await setHere();
    const steps = async (from: number, to: number) => {
      for (let step = from; step <= to; step++) {
        const progress = { step, steps: 20, secondsLeft: 20 - step, phase: 'drawing' };
        await storage.records.updateSet(set.id, { state: 'running', progress });
        await bot.delivery.deliver();
      }
    };
    const later = async (fraction: number) => {
      stopped.advance(PAUSE);
      await until(() => shown.at(-1)!.progress?.fraction === fraction, `the share ${fraction}`);
    };
    await steps(1, 10);
    await later(0.5);
    await steps(11, 20);
    await later(1);
    await drawn(set);
    await bot.delivery.deliver();
    stopped.advance(PAUSE);
    await until(() => shown.at(-1)!.tone === 'success');
    expect(shown.map(({ tone }) => tone)).toEqual(['progress', 'progress', 'progress', 'success']);
    expect(shown.at(-1)!.pictures).toHaveLength(4);
    expect(messages()).toHaveLength(1);
    await bot.stop();
  });

  it('posts once when it stops between posting and recording it', async () => {
    const first = await startOn(platform, forgetful());
    await first.gateway.invoke(place, ann, { command: 'imagine', options: { prompt: 'a fox' } }).done;
    await message();
    await first.stop();

    const second = await startOn(platform);
    await drawn(await setHere());
    await until(async () => (await message()).card.tone === 'success');
    expect(messages()).toHaveLength(1);
    await second.stop();
  });

  it("continues in a new message when the old one can't be edited, and counts votes on both", async () => {
    const bot = await startOn(platform);
    await bot.gateway.invoke(place, ann, { command: 'imagine', options: { prompt: 'a fox' } }).done;
    const first = await message();
    const set = await setHere();
    await bot.stop();

    platform.stale.add(first.id);
    // The first bot dies between posting the new message and noting it.
    await drawn(set);
    const dying = await startOn(platform, forgetful());
    const second = await until(() => messages().find(({ id }) => id !== first.id));
    await dying.stop();

    const again = await startOn(platform);
    await until(async () => (await storage.records.postOf(set.id))!.messageId === second.id);
    expect(second.card).toMatchObject({ tone: 'success', votesOn: set.id });
    expect(messages().length).toBe(2);
    await again.gateway.react(first, bob, '2️⃣');
    await again.gateway.react(second, ann, '3️⃣');
    const votes = async () => (await storage.records.standingVotes(set.channelId)).votes.length;
    expect(await votes()).toBe(2);
    await again.stop();
    // Read again at the start: the vote under the old message still stands there.
    const last = await startOn(platform);
    expect(await votes()).toBe(2);
    await last.stop();
  });

  it('gives up a message whose channel is gone, and tells the caller where possible', async () => {
    const bot = await startOn(platform);
    platform.goneChannels.add(place.externalId);
    const asked = bot.gateway.invoke(place, ann, { command: 'imagine', options: { prompt: 'a fox' } });
    await asked.done;
    expect(asked.cards).toMatchObject([{ audience: 'caller', fields: [{ value: 'CHANNEL_GONE' }] }]);
    const set = await setHere();
    await until(async () => (await storage.records.postOf(set.id)) === null);
    const tries = triesHere();
    await drawn(set);
    await laterLooks(bot);
    expect(triesHere()).toBe(tries);
    expect(errors).toEqual([]);
    await bot.stop();
  });

  it("tells the caller that it isn't allowed to post, and doesn't retry constantly", async () => {
    const bot = await startOn(platform);
    platform.forbidden.add(place.externalId);
    const asked = bot.gateway.invoke(place, ann, { command: 'imagine', options: { prompt: 'a fox' } });
    await asked.done;
    expect(asked.steps).toEqual(["Krona can't post here"]);
    expect(asked.cards[0]).toMatchObject({ audience: 'caller', fields: [{ value: 'POST_FORBIDDEN' }] });
    expect(asked.cards[0]!.text![0]).toContain('Send Messages');
    const tries = triesHere();
    expect(tries).toBeLessThanOrEqual(2);
    await laterLooks(bot);
    expect(triesHere()).toBe(tries);
    // Nor when what failed otherwise would be tried again.
    clock = stopClock();
    clock.advance(4_000);
    await laterLooks(bot);
    expect(triesHere()).toBe(tries);
    await bot.stop();

    // Somebody has given the permission; the next start tries at once.
    platform.forbidden.clear();
    const again = await startOn(platform);
    expect((await message()).card.title).toBe('a fox');
    await again.stop();
  });

  it('gives up a message after a week without permission, and keeps the results', async () => {
    const bot = await startOn(platform);
    platform.forbidden.add(place.externalId);
    await bot.gateway.invoke(place, ann, { command: 'imagine', options: { prompt: 'a fox' } }).done;
    const set = await setHere();
    expect(await storage.records.postOf(set.id)).not.toBeNull();
    clock = stopClock();
    clock.advance(8 * 86_400_000);
    await until(async () => (await storage.records.postOf(set.id)) === null, 'the end of trying');
    const tries = triesHere();
    await drawn(set);
    await laterLooks(bot);
    expect(triesHere()).toBe(tries);
    expect(await storage.records.pictures(set.id)).toHaveLength(set.count);
    await bot.stop();
  });

  it('updates other channels while the platform delays one', async () => {
    const bot = await startOn(platform);
    let free = () => {};
    platform.held.set(place.externalId, new Promise((resolve) => (free = resolve)));
    const asked = bot.gateway.invoke(place, ann, { command: 'imagine', options: { prompt: 'a snail' } });
    const held = await setHere();
    const elsewhere = { externalId: randomUUID(), name: 'elsewhere' };
    await bot.gateway.invoke(elsewhere, bob, { command: 'imagine', options: { prompt: 'a hare' } }).done;
    const { id } = await storage.records.channel('discord', elsewhere.externalId, elsewhere.name);
    await drawn((await storage.records.openWork(id)).sets[0]!);
    const hare = () =>
      [...platform.messages.values()].find(({ channelId }) => channelId === elsewhere.externalId);
    await until(() => (hare()?.card.pictures?.length ?? 0) > 0, 'the pictures');
    expect(messages()).toEqual([]);
    await drawn(held);
    free();
    await asked.done;
    await until(() => (messages()[0]?.card.pictures?.length ?? 0) > 0, 'its pictures');
    expect(messages()).toHaveLength(1);
    await bot.stop();
  });

  it('posts one message for a command, whichever of answer and delivery comes first', async () => {
    const bot = await startOn(platform, storage, 1000);
    await Promise.all(
      ['a', 'b', 'c', 'd'].map(
        (prompt) => bot.gateway.invoke(place, ann, { command: 'imagine', options: { prompt } }).done,
      ),
    );
    await laterLooks(bot);
    expect(messages().length).toBe(4);
    for (const { shown } of messages()) expect(shown).toHaveLength(1);
    await bot.stop();
  });

  it('does not bring a deleted channel of the web chat back with a command that was on its way', async () => {
    const { delivery, votes } = await startOn(platform);
    const handlers = createHandlers({ platform: 'web', context: storage, delivery, votes, log });
    const cards: Card[] = [];
    await handlers.onInvocation({
      channel: place,
      member: ann,
      moderator: false,
      command: 'imagine',
      action: '',
      options: { prompt: 'a fox' },
      attachments: [],
      answer: async (given) => void cards.push(...given),
    });
    expect(cards).toMatchObject([{ fields: [{ name: 'code', value: 'CHANNEL_UNKNOWN' }] }]);
    const open = await storage.records.channels('web');
    expect(open.map(({ externalId }) => externalId)).not.toContain(place.externalId);
  });

  it('reports no failure of a request that is stored when the database is away right after', async () => {
    let failures = 0;
    const context = withRecords({
      postOf: (...asked) =>
        ++failures === 1 ? Promise.reject(new Error('connection lost')) : storage.records.postOf(...asked),
    });
    const bot = await startOn(platform, context);
    const asked = bot.gateway.invoke(place, ann, { command: 'imagine', options: { prompt: 'a fox' } });
    await asked.done;
    expect(failures).toBe(1);
    expect(asked.cards).toEqual([]);
    expect((await message()).card.title).toBe('a fox');
    await bot.stop();
  });

  /** The result of a run: two pictures, of its last adapter, which is the champion, and of an early one. */
  async function contest() {
    const { records } = storage;
    const channel = await records.channel('discord', place.externalId, place.name);
    const owner = await records.member('discord', ann.externalId, ann.name);
    const subject = await records.addSubject(newSubject({ channelId: channel.id, ownerId: owner.id }));
    const run = await records.addRun(newRun(subject, { state: 'done' }));
    await records.addPost({ id: randomUUID(), channelId: channel.id, kind: 'run', targetId: run.id });
    const worker = new PlayedWorker(storage);
    const [early, final] = [await worker.adapter(run, 100, false), await worker.adapter(run, 200, true)];
    await records.setChampion(subject.id, final, false);
    const finals = await records.addSet(
      newSet({
        channelId: channel.id,
        memberId: owner.id,
        kind: 'finals',
        runId: run.id,
        subjectId: subject.id,
        count: 2,
        adapterId: final,
        state: 'done',
      }),
    );
    for (const [index, adapterId] of [final, early].entries()) {
      const { hash: blobHash } = await storage.blobs.put(await sprite('fox', '#d33', 64));
      const picture = { id: randomUUID(), setId: finals.id, index, blobHash, width: 64, height: 64, seed: 1 };
      await records.addPicture({ ...picture, adapterId });
    }
    await records.addPost({ id: randomUUID(), channelId: channel.id, kind: 'set', targetId: finals.id });
    return { subject, early, finals };
  }

  it('announces a champion once, even if it stops between vote and post', async () => {
    const { records } = storage;
    const { subject, early, finals } = await contest();
    // It hears the votes, and dies before it posts what they decided.
    const mute = withRecords({
      stalePosts: async (...given) =>
        (await records.stalePosts(...given)).filter(({ kind }) => kind !== 'champion'),
    });
    const bot = await startOn(platform, mute);
    const posted = await until(() => messages().find(({ card }) => card.votesOn === finals.id));
    for (const name of ['bob', 'cid', 'dee'])
      await bot.gateway.react(posted, { externalId: name, name }, '2️⃣');
    expect((await records.subject(subject.id))!.championId).toBe(early);
    await bot.stop();
    expect(messages().length).toBe(2);

    const announced = () => messages().filter(({ card }) => card.title.includes('champion'));
    for (let starts = 0; starts < 2; starts++) {
      const again = await startOn(platform);
      await until(() => announced().length > 0);
      await laterLooks(again);
      await again.stop();
    }
    expect(announced()).toHaveLength(1);
    expect(announced()[0]!.card.pictures).toHaveLength(1);
  });

  it('chooses no champion by a vote that was taken back while it was offline', async () => {
    const { records } = storage;
    const { subject, early, finals } = await contest();
    const before = (await records.subject(subject.id))!.championId;
    const bot = await startOn(platform);
    const posted = await until(() => messages().find(({ card }) => card.votesOn === finals.id));
    const [bobby, cid, dee] = ['bob', 'cid', 'dee'].map((name) => ({ externalId: name, name }));
    for (const member of [bobby!, cid!]) await bot.gateway.react(posted, member, '2️⃣');
    await bot.stop();
    await bot.gateway.react(posted, bobby!, '2️⃣', false);
    await bot.gateway.react(posted, dee!, '2️⃣');
    const again = await startOn(platform);
    expect((await records.subject(subject.id))!.championId).toBe(before);
    await again.gateway.react(posted, bobby!, '2️⃣');
    expect((await records.subject(subject.id))!.championId).toBe(early);
    await again.stop();
  });

  it('shows a ranking after a restart without the deleted entries', async () => {
    const first = await startOn(platform);
    const sets: PictureSet[] = [];
    for (const prompt of ['an owl', 'a fox']) {
      await first.gateway.invoke(place, ann, { command: 'imagine', options: { prompt, count: 1 } }).done;
      const set = await setHere();
      sets.push(set);
      await drawn(set);
      const posted = await until(() =>
        messages().find(({ card }) => card.votesOn === set.id && card.pictures?.length === 1),
      );
      await first.gateway.react(posted, bob, '👍');
    }
    const asked = first.gateway.invoke(place, bob, { command: 'top' });
    await asked.done;
    // It is the delivery's message, and there is no other answer.
    expect(asked.cards).toEqual([]);
    const [ranking, ...more] = messages().filter(({ card }) => card.title === 'Best pictures');
    expect(more).toEqual([]);
    expect(ranking!.card.pictures).toHaveLength(2);
    await first.stop();
    await storage.records.deleteSet(sets[0]!.id, 'By Ann.');

    const second = await startOn(platform);
    await until(() => ranking!.card.pictures?.length === 1);
    expect(ranking!.card.table!.rows.map((row) => row.slice(0, 2))).toEqual([['1', 'a fox (1)']]);
    expect(ranking!.shown).toHaveLength(2);

    // Where it takes no more edits, it goes when another has taken its place.
    platform.stale.add(ranking!.id);
    await storage.records.deleteSet(sets[1]!.id, 'By Ann.');
    await until(() => messages().every(({ card }) => card.title === 'This ranking is empty'));
    expect(messages()).toHaveLength(1);
    await second.stop();
  });

  it('deletes every message of a deleted subject', async () => {
    const bot = await startOn(platform);
    const file = { fileName: 'fox.png', size: 1, read: async () => sprite('fox', '#39c', 128) };
    const asked = bot.gateway.invoke(place, ann, {
      command: 'train',
      options: { subject: 'rex', class: 'fox' },
      attachments: [file],
    });
    await asked.done;
    const posted = await message();
    const { id } = (await storage.records.subjectByName(
      (await storage.records.channel('discord', place.externalId, place.name)).id,
      'rex',
    ))!;
    const foreign = bot.gateway.press(place, bob, `forget:${id}`);
    await foreign.done;
    expect(foreign.cards[0]).toMatchObject({ tone: 'error', fields: [{ value: 'NOT_ALLOWED' }] });
    await bot.gateway.press(place, bob, `forget:${id}`, { moderator: true }).done;
    await until(() => !platform.messages.has(posted.id));
    await until(async () => (await storage.records.recentPosts('discord', 1000)).every(({ gone }) => !gone));
    await bot.stop();
  });

  it('counts and removes number reactions, ignoring skin tones and duplicates', async () => {
    const bot = await startOn(platform);
    await bot.gateway.invoke(place, ann, { command: 'imagine', options: { prompt: 'a fox' } }).done;
    const set = await setHere();
    await drawn(set);
    const posted = await message();
    const captions = async (wanted: string) =>
      until(() =>
        posted.card.pictures
          ?.map(({ caption }) => caption)
          .join(' | ')
          .includes(wanted)
          ? posted
          : null,
      );
    await bot.gateway.react(posted, bob, '2️⃣');
    await bot.gateway.react(posted, bob, '2️⃣');
    await bot.gateway.react(posted, ann, '🌵');
    await captions('2 ·');
    const facts = await storage.records.voteFacts(set.id);
    expect(facts.filter(({ added }) => added)).toHaveLength(1);
    await bot.gateway.react(posted, bob, '2️⃣', false);
    expect((await storage.records.voteFacts(set.id)).at(-1)!.added).toBe(false);
    await bot.stop();
  });

  it('catches up with reactions added and removed while it was offline', async () => {
    const bot = await startOn(platform);
    await bot.gateway.invoke(place, ann, { command: 'imagine', options: { prompt: 'a fox' } }).done;
    const set = await setHere();
    await drawn(set);
    const posted: FakeMessage = await message();
    await until(() => posted.card.pictures?.length === 4);
    await bot.gateway.react(posted, bob, '1️⃣');
    await bot.stop();
    await bot.gateway.react(posted, bob, '1️⃣', false);
    await bot.gateway.react(posted, ann, '3️⃣');

    const again = await startOn(platform);
    const standing = new Map<string, boolean>();
    for (const fact of await storage.records.voteFacts(set.id)) standing.set(fact.emoji, fact.added);
    expect([...standing.values()].sort()).toEqual([false, true]);
    const pictures = await storage.records.pictures(set.id);
    const votes = (await storage.records.voteFacts(set.id)).filter(({ added }) => added);
    expect(votes.map(({ pictureId }) => pictures.find(({ id }) => id === pictureId)!.index).sort()).toEqual([
      0, 2,
    ]);
    await again.stop();
  });

  /** A set that is drawn, its message, and who voted how on its pictures. */
  const votedSet = async (bot: Awaited<ReturnType<typeof startOn>>) => {
    await bot.gateway.invoke(place, ann, { command: 'imagine', options: { prompt: 'a fox' } }).done;
    const set = await setHere();
    await drawn(set);
    const posted: FakeMessage = await message();
    await until(() => posted.card.pictures?.length === 4);
    const votes = async () =>
      (await storage.records.standingVotes(set.channelId)).votes.map(({ emoji }) => emoji).sort();
    return { posted, votes };
  };

  it('keeps what members change while it reads the reactions again', async () => {
    const bot = await startOn(platform);
    const { posted, votes } = await votedSet(bot);
    await bot.gateway.react(posted, bob, '1️⃣');
    const read = bot.gateway.readReactions.bind(bot.gateway);
    bot.gateway.readReactions = async (...where) => {
      const standing = [...(await read(...where))];
      // Its answer is on its way.
      await bot.gateway.react(posted, bob, '1️⃣', false);
      await bot.gateway.react(posted, ann, '3️⃣');
      return standing;
    };
    await bot.votes.readAgain();
    expect(await votes()).toEqual(['3️⃣']);
    await bot.stop();
  });

  it('forgets a reaction that is removed just when it is read', async () => {
    const bot = await startOn(platform);
    const { posted, votes } = await votedSet(bot);
    await bot.stop();
    await bot.gateway.react(posted, bob, '1️⃣');
    let removing: Promise<void> | undefined;
    const context = withRecords({
      async addVote(vote) {
        if (vote.added && removing === undefined) {
          removing = again.gateway.react(posted, bob, '1️⃣', false);
          // Long enough for the removal, if nothing held it back.
          for (let looks = 0; looks < 50; looks++) await storage.records.check();
        }
        return storage.records.addVote(vote);
      },
    });
    const again = await startOn(platform, context, 50, false);
    await again.votes.readAgain();
    await Promise.all([removing]);
    expect(await votes()).toEqual([]);
    await again.stop();
  });

  it('catches up with reactions once database and platform answer again', async () => {
    const bot = await startOn(platform);
    const { posted, votes } = await votedSet(bot);
    await bot.stop();
    await bot.gateway.react(posted, bob, '2️⃣');
    let failures = 0;
    const fail = (): Promise<never> => {
      failures += 1;
      return Promise.reject(new Error('connection lost'));
    };
    const again = await startOn(
      platform,
      withRecords({
        recentPosts: (...asked) => (failures === 0 ? fail() : storage.records.recentPosts(...asked)),
        voteFacts: (...asked) => (failures === 1 ? fail() : storage.records.voteFacts(...asked)),
      }),
    );
    expect(failures).toBe(2);
    expect(await votes()).toEqual(['2️⃣']);
    await again.stop();
  });

  it('forgets one emoji in two skin tones when both were removed while it was offline', async () => {
    const bot = await startOn(platform);
    await bot.gateway.invoke(place, ann, { command: 'imagine', options: { prompt: 'a fox', count: 1 } }).done;
    const set = await setHere();
    await drawn(set);
    const posted: FakeMessage = await message();
    await until(() => posted.card.pictures);
    await bot.gateway.react(posted, bob, '👍');
    await bot.gateway.react(posted, bob, '👍🏽');
    const votes = async () => (await storage.records.standingVotes(set.channelId)).votes;
    expect(await votes()).toHaveLength(2);
    await bot.stop();
    await bot.gateway.react(posted, bob, '👍', false);
    await bot.gateway.react(posted, bob, '👍🏽', false);
    const again = await startOn(platform);
    expect(await votes()).toEqual([]);
    await again.stop();
  });

  it('a skin tone that was changed while it was offline is the vote that the member can take back', async () => {
    const bot = await startOn(platform);
    await bot.gateway.invoke(place, ann, { command: 'imagine', options: { prompt: 'a fox', count: 1 } }).done;
    const set = await setHere();
    await drawn(set);
    const posted: FakeMessage = await message();
    await until(() => posted.card.pictures);
    const votes = async () =>
      (await storage.records.standingVotes(set.channelId)).votes.map(({ emoji }) => emoji);
    await bot.gateway.react(posted, bob, '👍');
    await bot.stop();
    await bot.gateway.react(posted, bob, '👍', false);
    await bot.gateway.react(posted, bob, '👍🏽');
    const again = await startOn(platform);
    expect(await votes()).toEqual(['👍🏽']);
    await again.gateway.react(posted, bob, '👍🏽', false);
    expect(await votes()).toEqual([]);
    await again.stop();
  });

  it('deletes what it posted before it was killed, also when the database is away at the next start', async () => {
    const bot = await startOn(platform, forgetful());
    await bot.gateway.invoke(place, ann, { command: 'imagine', options: { prompt: 'a fox' } }).done;
    await message();
    const set = await setHere();
    await bot.stop();
    await storage.records.deleteSet(set.id, 'By Ann.');
    let failures = 0;
    const again = await startOn(
      platform,
      withRecords({
        stalePosts: (...asked) =>
          ++failures === 1
            ? Promise.reject(new Error('connection lost'))
            : storage.records.stalePosts(...asked),
      }),
    );
    await until(() => messages().length === 0, 'the message taken away');
    await again.stop();
  });

  it('deletes the message of deleted pictures, unless it is already deleted', async () => {
    const bot = await startOn(platform);
    await bot.gateway.invoke(place, ann, { command: 'imagine', options: { prompt: 'a fox' } }).done;
    const set = await setHere();
    await drawn(set);
    const posted = await message();
    await until(() => posted.card.pictures?.length === 4);
    const pressed = bot.gateway.press(place, ann, `delete:${set.id}`);
    await pressed.done;
    expect(pressed.steps).toEqual([]);
    expect(platform.messages.has(posted.id)).toBe(false);
    expect(await storage.records.postOf(set.id)).toBeNull();

    await bot.gateway.invoke(place, ann, { command: 'imagine', options: { prompt: 'an owl' } }).done;
    const second = await until(() =>
      [...platform.messages.values()].find(({ card }) => card.title === 'an owl'),
    );
    platform.deleted.add(second.id);
    await drawn(await setHere());
    await until(async () => {
      const post = await storage.records.postByMessage(set.channelId, second.id);
      return post !== null && (await storage.records.set(post.targetId))!.revision === post.shownRevision;
    });
    expect(messages()).toHaveLength(1);
    expect(errors).toEqual([]);
    await bot.stop();
  });

  const drawnHere = async (bot: { gateway: FakeGateway }) => {
    await bot.gateway.invoke(place, ann, { command: 'imagine', options: { prompt: 'a fox' } }).done;
    const set = await setHere();
    await drawn(set);
    const posted = await message();
    await until(() => posted.card.pictures?.length === 4);
    return { set, posted };
  };

  it('retries deleting a message until the platform allows it', async () => {
    const bot = await startOn(platform);
    const { set, posted } = await drawnHere(bot);
    platform.refusals = 2;
    await bot.gateway.press(place, ann, `delete:${set.id}`).done;
    expect(platform.messages.has(posted.id)).toBe(true);
    await until(() => !platform.messages.has(posted.id));
    expect(platform.refusals).toBe(0);
    await until(async () => (await storage.records.postOf(set.id)) === null);
    await bot.stop();
  });

  it("says what was deleted where it isn't allowed to delete the message", async () => {
    const bot = await startOn(platform);
    const { set, posted } = await drawnHere(bot);
    platform.kept.add(posted.id);
    await bot.gateway.press(place, ann, `delete:${set.id}`).done;
    expect(posted.card).toMatchObject({ title: 'These pictures were deleted' });
    expect(posted.card.pictures).toBeUndefined();
    expect(await storage.records.postOf(set.id)).toBeNull();
    await bot.stop();
  });

  it('also deletes messages that a newer one replaced', async () => {
    const bot = await startOn(platform);
    const { set, posted } = await drawnHere(bot);
    platform.stale.add(posted.id);
    await bot.gateway.react(posted, bob, '1️⃣');
    await until(() => messages().length === 2);
    await until(async () => (await storage.records.postOf(set.id))!.formerMessageIds.length === 1);
    await bot.gateway.press(place, ann, `delete:${set.id}`).done;
    await until(() => messages().length === 0);
    await bot.stop();
  });

  it.each(['stood there noted', 'stood there, and the process died before noting it'])(
    'deletes after a restart what was deleted while it was offline, when it %s',
    async (how) => {
      const bot = await startOn(platform);
      const { set, posted } = await drawnHere(bot);
      await bot.stop();
      const { records } = storage;
      if (how !== 'stood there noted') {
        // As if it had been posted, and nothing written of that.
        const { id, channelId } = (await records.postOf(set.id))!;
        await records.removePost(id);
        await records.addPost({ id, channelId, kind: 'set', targetId: set.id });
      }
      await records.deleteSet(set.id, 'By Ann.');
      const again = await startOn(platform);
      await until(() => !platform.messages.has(posted.id));
      await until(async () => (await records.postOf(set.id)) === null);
      expect(messages()).toEqual([]);
      await again.stop();
    },
  );
});

describe('a bot process killed between posting and recording it', () => {
  it('leaves one message, which the next process continues', async () => {
    const { config } = house;
    const bot = await startMortalBot(house.environment);
    bot.dieAt('markPost');
    const channel = await storage.records.channel('web', randomUUID(), 'killed');
    const member = await storage.records.member('web', randomUUID(), 'Ann');
    const set = await storage.records.addSet(
      newSet({ channelId: channel.id, memberId: member.id, count: 4 }),
    );
    await storage.records.addPost({ id: randomUUID(), channelId: channel.id, kind: 'set', targetId: set.id });
    await bot.died;
    const cards = async () =>
      (await storage.records.lines(channel.id, 0, 100)).map(({ body }) => (body as { card: Card }).card);
    expect(await cards()).toHaveLength(1);
    expect((await storage.records.postOf(set.id))!.messageId).toBeNull();

    const next = await startBot(storage, config, { log });
    await drawn(set);
    await until(async () => (await cards()).at(-1)!.tone === 'success');
    expect(await cards()).toHaveLength(1);
    await next.stop();
  });
});
