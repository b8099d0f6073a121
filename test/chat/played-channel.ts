/**
 * @file A channel with four members and a played worker, and what scenarios begin with. Each scenario has subjects and prompts
 * of its own.
 */
import { afterAll, beforeAll, expect, vi } from 'vitest';
import type { PictureSet, Run } from '../../core/records.ts';
import { PlayedWorker } from '../bot/world.ts';
import { MODEL } from '../commands/helpers.ts';
import type { ChatDriver, ChatMember, Seen } from './driver.ts';
import { drawings, photosOf } from './pictures.ts';

/** Tries until the expectations hold. */
export const eventually = <T>(look: () => Promise<T>): Promise<T> =>
  vi.waitFor(look, { timeout: 60_000, interval: 100 });

export function playedChannel(open: () => Promise<ChatDriver>) {
  // Many messages in a test, of which platforms take one a second.
  let chat: ChatDriver;
  let worker: PlayedWorker;
  let mia: ChatMember;
  let ben: ChatMember;
  let zoe: ChatMember;
  let boss: ChatMember;

  beforeAll(async () => {
    chat = await open();
    await chat.storage.records.saveModelCard(MODEL);
    worker = new PlayedWorker(chat.storage);
    [mia, ben, zoe] = [await chat.member('Mia'), await chat.member('Ben'), await chat.member('Zoe')];
    boss = await chat.member('Boss', { moderator: true });
  }, 300_000);
  afterAll(() => chat?.close());

  /** The newest message that says so, once it is there. */
  const message = async (words: string | RegExp): Promise<Seen> =>
    eventually(async () => {
      const found = (await chat.messages()).findLast(({ text }) => says(text, words));
      expect(found, `a message that says ${String(words)}`).toBeDefined();
      return found!;
    });
  /** What a member was told alone and newest, once it says so. */
  const whisper = async (member: ChatMember, words: string | RegExp): Promise<Seen> =>
    eventually(async () => {
      const found = (await member.whispers()).findLast(({ text }) => says(text, words));
      expect(found, `a word to ${member.name} alone that says ${String(words)}`).toBeDefined();
      return found!;
    });
  /** The newest set of that prompt, once its pictures are there. */
  const drawnSet = (words: string, pictures = 2): Promise<Seen> =>
    eventually(async () => {
      const found = (await chat.messages()).findLast(
        (each) => each.text.includes(words) && each.buttons.includes('Again') && each.pictures === pictures,
      );
      expect(found, `${pictures} pictures of ${words}`).toBeDefined();
      return found!;
    });
  const channel = () => chat.storage.records.channel(chat.platform, chat.channelId, 'test');
  /** The run of a subject that waits or goes on. */
  const openRun = (subject: string): Promise<Run> =>
    eventually(async () => {
      const { records } = chat.storage;
      const { id } = await channel();
      const subjectId = (await records.subjectByName(id, subject))?.id;
      const run = (await records.openWork(id)).runs.find((each) => each.subjectId === subjectId);
      expect(run, `a run of ${subject} in the queue`).toBeDefined();
      return run!;
    });
  /** The newest set with that prompt that waits or goes on. */
  const openSet = (words: string): Promise<PictureSet> =>
    eventually(async () => {
      const { sets } = await chat.storage.records.openWork((await channel()).id);
      const set = sets.findLast(({ prompt }) => prompt.includes(words));
      expect(set, `a set of ${words} in the queue`).toBeDefined();
      return set!;
    });
  const standing = async () => (await chat.messages()).map(({ id }) => id);
  const saying = async (words: string) => (await chat.messages()).filter(({ text }) => text.includes(words));
  /** Who stands for which picture of a set, as `Mia 1`. */
  const votesOn = async ({ id: setId }: PictureSet): Promise<string[]> => {
    const { votes } = await chat.storage.records.standingVotes((await channel()).id);
    const pictures = await chat.storage.records.pictures(setId);
    const members = await chat.storage.records.members(votes.map(({ memberId }) => memberId));
    return votes.flatMap(({ memberId, pictureId }) => {
      const picture = pictures.find(({ id }) => id === pictureId);
      const name = members.find(({ id }) => id === memberId)?.name;
      return picture ? [`${name} ${picture.index + 1}`] : [];
    });
  };

  // What a scenario begins with, each with subjects and prompts of its own.

  /** Mia gives two photos of a cat. */
  async function photographed(subject: string): Promise<void> {
    await mia.givePhotos(subject, 'cat', await photosOf(subject, ['#cfe3f7', '#f7e2b8']));
    await message(`2 photos of ${subject} added`);
  }
  /** The worker ends a run: two checkpoints, and a result of two pictures, one of each. */
  async function ended(run: Run, turn = 0): Promise<void> {
    const early = await worker.adapter(run, 100, false);
    await worker.picturesOfRun(run, 'samples', early, await drawings(2, turn));
    const last = await worker.adapter(run, run.settings.steps, true);
    await chat.storage.records.setChampion(run.subjectId, last, false);
    await worker.picturesOfRun(run, 'finals', last, await drawings(2, turn + 10), [early, last]);
    await worker.finish(run);
  }
  /** A trained subject, with the message of its run and the one of its result. */
  async function learnt(subject: string, turn = 0): Promise<{ run: Run; told: Seen; grid: Seen }> {
    await photographed(subject);
    await mia.run(`/krona train subject:${subject}`);
    const run = await openRun(subject);
    await ended(run, turn);
    const told = await message(`${subject} is trained`);
    const grid = await eventually(async () => {
      const seen = await message(`Which ${subject} is the best`);
      expect(seen.pictures).toBe(2);
      return seen;
    });
    return { run, told, grid };
  }
  /** Pictures that a member has asked for, drawn. */
  async function imagined(member: ChatMember, prompt: string, count = 2, turn = 0) {
    await member.run(`/krona imagine ${prompt} count:${count}`);
    const set = await openSet(prompt);
    await worker.draw(set, await drawings(count, turn));
    return { set, shown: await drawnSet(prompt, count) };
  }

  return {
    /** Who and what is there, in hooks and tests only. */
    opened: () => ({ chat, worker, mia, ben, zoe, boss }),
    ...{ message, whisper, drawnSet, channel, openRun, openSet, standing, saying, votesOn },
    ...{ photographed, ended, learnt, imagined },
  };
}

const says = (text: string, words: string | RegExp): boolean =>
  typeof words === 'string' ? text.includes(words) : words.test(text);
