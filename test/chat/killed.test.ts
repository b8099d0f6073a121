/** The bot's process is killed at the worst moments, on both platforms; the next one goes on where it was. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Run } from '../../core/records.ts';
import { startMortalBot } from '../bot/mortal-bot.ts';
import { PlayedWorker } from '../bot/world.ts';
import { MODEL } from '../commands/helpers.ts';
import { until } from '../helpers/until.ts';
import { openDiscordChat } from './discord-driver.ts';
import type { ChatMember, FragileChat } from './driver.ts';
import { readerOf } from './reading.ts';
import { drawings, photosOf } from './pictures.ts';
import { openSlackChat } from './slack-driver.ts';

describe.each([
  ['Discord', openDiscordChat],
  ['Slack', openSlackChat],
] as const)('a bot killed on %s', (_, open) => {
  let chat: FragileChat;
  let worker: PlayedWorker;
  let members: ChatMember[];
  beforeAll(async () => {
    chat = await open();
    await chat.storage.records.saveModelCard(MODEL);
    worker = new PlayedWorker(chat.storage, chat.platform);
    members = await Promise.all(['Mia', 'Ben', 'Zoe', 'Kim'].map((name) => chat.member(name)));
  }, 300_000);
  afterAll(() => chat?.close());
  beforeEach(() => chat.stopBot());

  const { saying, found, channelId } = readerOf(() => chat);
  const standing = async () => (await chat.storage.records.standingVotes(await channelId())).votes;

  /** A run of a subject of its own; some bot is there. */
  async function begun(subject: string): Promise<Run> {
    const [mia] = members;
    await mia!.givePhotos(subject, 'cat', await photosOf(subject));
    await found(`4 photos of ${subject} added`);
    await mia!.run(`/krona train subject:${subject}`);
    return worker.run(chat.channelId);
  }

  /** The worker ends it, with a result of two pictures, of an earlier checkpoint and of the last. */
  async function ended(run: Run): Promise<void> {
    const early = await worker.adapter(run, 100, false);
    await worker.picturesOfRun(run, 'samples', early, await drawings(2));
    const last = await worker.adapter(run, run.settings.steps, true);
    await worker.picturesOfRun(run, 'finals', last, await drawings(2), [early, last]);
    await worker.finish(run);
  }

  it('during a run keeps its one message, up to the result', async () => {
    const bot = await startMortalBot(chat.environment);
    const run = await begun('mochi');
    await worker.progress(run, 50, 30);
    const { id } = await found(/Training mochi[^]*10%/);
    bot.dieAt('markPost');
    await worker.progress(run, 100, 20);
    await bot.died;
    // The worker goes on meanwhile.
    await ended(run);
    await chat.startBot();
    const learnt = await found('mochi is trained');
    expect(learnt.id).toBe(id);
    await found('Which mochi is the best');
    expect(await saying(/Training (of )?mochi|mochi is trained/)).toHaveLength(1);
    expect(await saying('Which mochi is the best')).toHaveLength(1);
  });

  it("just after it posted a set's first message posts no second one", async () => {
    const bot = await startMortalBot(chat.environment);
    bot.dieAt('markPost');
    // Nobody is there any more to answer her, so she is not waited for.
    members[0]!.run('/krona imagine a fox at sea').catch(() => undefined);
    await bot.died;
    expect(await saying('a fox at sea')).toHaveLength(1);
    const set = await worker.set(chat.channelId);
    await worker.draw(set, await drawings(2));
    await chat.startBot();
    await until(async () => (await found('a fox at sea')).pictures === 2);
    expect(await saying('a fox at sea')).toHaveLength(1);
  });

  it('after the pictures but before the numbers to vote with adds those at its next start', async () => {
    const { records } = chat.storage;
    await chat.faults.reactions(true);
    const bot = await startMortalBot(chat.environment);
    await members[0]!.run('/krona imagine a heron');
    const { id } = await worker.set(chat.channelId);
    await worker.draw((await records.set(id))!, await drawings(2));
    await until(async () => {
      const [post, set] = [await records.postOf(id), await records.set(id)];
      return post!.shownRevision === set!.revision;
    }, 'the pictures noted as shown');
    bot.dieAt('stalePosts');
    await bot.died;
    expect(await chat.numbers(await found('a heron'))).toBe(0);
    await chat.faults.reactions(false);
    await chat.startBot();
    await until(async () => (await chat.numbers(await found('a heron'))) === 2, 'two numbers');
  });

  it.each([
    ['between a vote and the champion that it chooses', 'standingVotes', 'kuro'],
    ['between posting its announcement and noting that', 'markPost', 'shiro'],
  ] as const)('%s loses no vote and announces once', async (_moment, method, name) => {
    const { records } = chat.storage;
    await chat.startBot();
    const run = await begun(name);
    await ended(run);
    const grid = await found(`Which ${name} is the best`);
    await until(async () => (await found(`Which ${name} is the best`)).pictures === 2, 'its pictures');
    await chat.stopBot();
    const had = (await standing()).length;
    const bot = await startMortalBot(chat.environment);
    const [, ben, zoe, kim] = members as [ChatMember, ChatMember, ChatMember, ChatMember];
    await ben.vote(grid, 1);
    await zoe.vote(grid, 1);
    await until(async () => (await standing()).length === had + 2, 'two votes');
    bot.dieAt(method);
    await kim.vote(grid, 1);
    await bot.died;
    await chat.startBot();
    await found(`new champion of ${name}`);
    expect(await saying(`new champion of ${name}`)).toHaveLength(1);
    expect(await standing()).toHaveLength(had + 3);
    expect((await records.subject(run.subjectId))!.championId).not.toBeNull();
  });
});
