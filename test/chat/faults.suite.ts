/**
 * @file What goes wrong on Discord and Slack while work goes on, whoever's fault it is: nothing is lost, nothing comes twice,
 * and the bot does not try for ever. Which fault is tested where else: test/chat/README.md.
 */
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { KronaError } from '../../core/errors.ts';
import type { PictureSet, Run } from '../../core/records.ts';
import { PlayedWorker } from '../bot/world.ts';
import { MODEL } from '../commands/helpers.ts';
import { putClockForward, skipTime } from '../helpers/clock.ts';
import { until } from '../helpers/until.ts';
import type { ChatMember, FragileChat, Seen } from './driver.ts';
import { readerOf } from './reading.ts';
import { drawings, photosOf } from './pictures.ts';

export function runFaults(name: string, open: () => Promise<FragileChat>): void {
  describe(`with a fault on ${name}`, () => {
    let chat: FragileChat;
    let worker: PlayedWorker;
    let mia: ChatMember;
    let ben: ChatMember;
    let zoe: ChatMember;
    /** A test has left a channel behind in which no other can work. */
    let spoilt = true;
    beforeEach(async () => {
      if (!spoilt) return;
      await chat?.close();
      chat = await open();
      await chat.storage.records.saveModelCard(MODEL);
      worker = new PlayedWorker(chat.storage, chat.platform);
      [mia, ben, zoe] = [await chat.member('Mia'), await chat.member('Ben'), await chat.member('Zoe')];
      await mia.givePhotos('mochi', 'cat', await photosOf('mia'));
      await found('4 photos of mochi added');
      spoilt = false;
    }, 300_000);
    afterAll(() => chat?.close());
    afterEach(async () => {
      vi.restoreAllMocks();
      expect(await chat.faults.violations()).toEqual([]);
      expect(await chat.pinged()).toEqual([]);
    });

    const { saying, found, channelId } = readerOf(() => chat);

    /** A run that has begun, and the message that lives through it. */
    async function begun(): Promise<{ run: Run; living: Seen }> {
      await mia.run('/krona train subject:mochi');
      const run = await worker.run(chat.channelId);
      await worker.progress(run, 50, 30);
      return { run, living: await found(/Training mochi[^]*10%/) };
    }

    /** The worker ends a run, with a result of two pictures. */
    async function ended(run: Run): Promise<PictureSet> {
      const last = await worker.adapter(run, run.settings.steps, true);
      const finals = await worker.picturesOfRun(run, 'finals', last, await drawings(2));
      await worker.finish(run);
      return finals;
    }

    /** The set that was asked for last, drawn. */
    async function drawn(words: string): Promise<Seen> {
      await worker.draw(await worker.set(chat.channelId), await drawings(2));
      return until(async () => (await saying(words)).findLast(({ pictures }) => pictures === 2), words);
    }

    /** Something asked for, drawn and shown: whatever would have come before it has come. */
    let laters = 0;
    async function later(): Promise<void> {
      const prompt = `a pebble no ${++laters}`;
      await ben.run(`/krona imagine ${prompt}`);
      await drawn(prompt);
    }

    /** Waits until the bot has so often more begun to show a message; the pauses between its tries are skipped. */
    async function deliveryTries(times: number): Promise<void> {
      const begun = vi.spyOn(chat.storage.records, 'post');
      const tried = () => {
        skipTime(1_000);
        return begun.mock.calls.length >= times;
      };
      await until(tried, 'tries to show a message');
      begun.mockRestore();
    }

    const standing = async () => (await chat.storage.records.standingVotes(await channelId())).votes.length;

    it('a dead token is logged once; a start with a valid one shows the results once', async () => {
      const { run, living } = await begun();
      await chat.faults.token(false);
      const { id: setId } = await ended(run);
      const told = () => chat.log.filter((line) => line.includes('_TOKEN_INVALID'));
      const names = chat.platform === 'slack' ? ['SLACK_BOT_TOKEN', 'SLACK_APP_TOKEN'] : ['in DISCORD_TOKEN'];
      const named = () => names.filter((name) => told().some((line) => line.includes(name)));
      await until(() => named().length === names.length, 'a word on each token');
      await deliveryTries(4);
      expect(told()).toHaveLength(names.length);
      expect(chat.log).toEqual(told());
      await chat.stopBot();
      expect((await chat.storage.records.set(setId))!.state).toBe('done');
      await chat.faults.token(true);
      await chat.startBot();
      expect((await found('mochi is trained')).id).toBe(living.id);
      await found('Which mochi is the best');
      await later();
      expect(await saying(/mochi is trained|Training mochi/)).toHaveLength(1);
      expect(await saying('Which mochi is the best')).toHaveLength(1);
      chat.log.splice(0);
    });

    it('a channel that is closed to the bot gets the result once when it opens; callers are told privately', async () => {
      const before = (await saying('Which mochi is the best')).length;
      const { run } = await begun();
      await chat.faults.posting(false);
      await ended(run);
      await ben.run('/krona imagine a fox behind a door');
      await until(async () => (await ben.whispers()).some(({ text }) => text.includes('POST_FORBIDDEN')));
      expect((await zoe.whispers()).filter(({ text }) => text.includes('POST_FORBIDDEN'))).toEqual([]);
      await until(() => chat.log.some((line) => line.includes('could not show a message')), 'a vain try');
      await chat.faults.posting(true);
      skipTime(16_000);
      await until(async () => (await saying('Which mochi is the best')).length > before, 'the result');
      // Where the command was taken all the same, its set is drawn, too.
      const { id: here } = await chat.storage.records.channel(chat.platform, chat.channelId, 'test');
      for (const set of (await chat.storage.records.openWork(here)).sets)
        await worker.draw(set, await drawings(2));
      await later();
      expect(await saying('Which mochi is the best')).toHaveLength(before + 1);
      for (const line of chat.log.splice(0))
        expect(line).toMatch(/can't post|lacks the permission|don't include Krona/);
    });

    it('lost number reactions come later, and are logged once', async () => {
      await chat.faults.reactions(true);
      await ben.run('/krona imagine a stork');
      const stork = await drawn('a stork');
      await until(() => chat.log.length > 0, 'a complaint');
      expect(await chat.numbers(stork)).toBe(0);
      await chat.faults.reactions(false);
      await until(async () => (await chat.numbers(stork)) === 2, 'two numbers');
      // Of each message: that of the last test may have come meanwhile, too.
      const complaints = chat.log
        .splice(0)
        .map((line) => /could not add the numbers .* message (\S+)/.exec(line)?.[1]);
      expect(complaints).not.toContain(undefined);
      expect(new Set(complaints).size).toBe(complaints.length);
    });

    it("a message deleted during its run doesn't come back; the result still comes", async () => {
      // Of earlier runs.
      await until(async () => (await saying('Training mochi')).length === 0, 'the last edits');
      const before = (await saying('Which mochi is the best')).length;
      const learnt = (await saying('mochi is trained')).length;
      const { run, living } = await begun();
      await chat.faults.deleteMessage(living);
      await worker.progress(run, 100, 20);
      await ended(run);
      await until(async () => (await saying('Which mochi is the best')).length > before, 'the result');
      await later();
      expect(await saying('Which mochi is the best')).toHaveLength(before + 1);
      expect(await saying(/Training mochi|mochi is trained/)).toHaveLength(learnt);
      expect(chat.log).toEqual([]);
    });

    it('a member who left keeps their requests and votes, and their pictures can be used', async () => {
      const kim = await chat.member('Kim');
      await kim.run('/krona imagine <@U1> @everyone an owl');
      const owl = await drawn('an owl');
      const had = await standing();
      await kim.vote(owl, 1);
      await until(async () => (await standing()) === had + 1, 'the vote');
      await kim.run('/krona train subject:mochi');
      const run = await worker.run(chat.channelId);
      await worker.progress(run, 50, 30);
      await chat.faults.leave(kim);
      const before = (await saying('Which mochi is the best')).length;
      await ended(run);
      await until(async () => (await saying('Which mochi is the best')).length > before, 'the result');
      // Also read again from the platform, where his reaction stands.
      await chat.stopBot();
      await chat.startBot();
      await ben.vote(owl, 1);
      await until(async () => (await found('an owl')).text.includes('1️⃣ 2'), 'both votes');
      expect(await standing()).toBe(had + 2);
      await ben.press(owl, 'Again');
      await until(async () => (await saying('an owl')).length === 2, 'another set');
      await drawn('an owl');
      expect(chat.log).toEqual([]);
    });

    it('a rate limit is obeyed and delays messages: once each, in order', async () => {
      const limited = await chat.faults.limited();
      // Longer than a command waits for its message, and than the pause after a limit that names no time.
      await chat.faults.limit(8);
      const asked = (async () => {
        for (const thing of ['a snail', 'a turtle', 'a sloth']) await ben.run(`/krona imagine ${thing}`);
      })();
      await until(async () => (await chat.faults.limited()) > limited, 'the limit');
      // Whatever needs no message in the channel works meanwhile.
      const slow = async () =>
        (await saying(/a (snail|turtle|sloth)/)).map(({ text }) => text.split('\n')[0]);
      const told = (await zoe.whispers()).length;
      await zoe.run('/krona photos list subject:mochi');
      await until(async () => (await zoe.whispers()).length > told, 'an answer');
      await asked;
      for (const _ of [1, 2, 3]) await worker.draw(await worker.set(chat.channelId), await drawings(2));
      await until(async () => (await slow()).length === 3, 'all three');
      await later();
      expect(await chat.faults.limited()).toBe(limited + 1);
      expect(await slow()).toEqual(
        ['a snail', 'a turtle', 'a sloth'].map((thing) => expect.stringContaining(thing) as string),
      );
      await until(async () =>
        (await saying(/a (snail|turtle|sloth)/)).every(({ pictures }) => pictures === 2),
      );
      expect(chat.log).toEqual([]);
    });

    it('ten minutes without a network lose no vote or result, and nothing is posted twice', async () => {
      await ben.run('/krona imagine a lighthouse');
      const light = await drawn('a lighthouse');
      await zoe.vote(light, 2);
      await until(async () => (await found('a lighthouse')).text.includes('2️⃣ 1'), 'a vote');
      const results = (await saying('Which mochi is the best')).length;
      const { run, living } = await begun();
      const had = await standing();

      await chat.faults.networkGone();
      await ben.vote(light, 1);
      await mia.vote(light, 1);
      await zoe.vote(light, 2, false);
      await ended(run);
      await deliveryTries(2);
      if (chat.platform === 'slack') {
        // So long that the bot knows it may have missed something. Discord says so itself.
        await until(() => chat.log.some((line) => line.includes('Slack: no connection')), 'a vain try');
        putClockForward(11_000);
      }
      await chat.faults.networkBack(10);

      await until(async () => (await saying('Which mochi is the best')).length > results, 'the result');
      await until(
        async () => (await saying('mochi is trained')).some(({ id }) => id === living.id),
        'its end',
      );
      await until(async () => {
        const seen = await found('a lighthouse');
        return seen.text.includes('1️⃣ 2') && !seen.text.includes('2️⃣ 1');
      }, 'the votes of that time');
      expect(await standing()).toBe(had + 1);
      await later();
      expect(await saying('Which mochi is the best')).toHaveLength(results + 1);
      expect(await saying('Training mochi')).toEqual([]);
      // And commands work again.
      await ben.run('/krona imagine a harbour');
      await drawn('a harbour');
      chat.log.splice(0);
    });

    it('removed during a run, it keeps the results and continues when it is invited again', async () => {
      const { run } = await begun();
      await chat.faults.inside(false);
      const { id: setId } = await ended(run);
      await deliveryTries(2);
      await chat.faults.inside(true);
      await ben.run('/krona imagine a heron');
      await drawn('a heron');
      await ben.run('/krona adapters list');
      await until(
        async () => (await ben.whispers()).some(({ text }) => text.includes('mochi')),
        'the adapters',
      );
      expect((await chat.storage.records.set(setId))!.state).toBe('done');
      expect((await chat.storage.records.run(run.id))!.state).toBe('done');
      chat.log.splice(0);
    });

    it('members are told once, where they used Krona, that the database is lost, and that it is back', async () => {
      await mia.run('/krona queue show');
      await until(async () => (await mia.whispers()).length > 0, 'an answer');
      const lost = KronaError.reported({
        code: 'DATABASE_UNAVAILABLE',
        message: 'The database is unreachable.',
      });
      const check = vi.spyOn(chat.storage.records, 'check').mockRejectedValue(lost);
      await until(() => check.mock.calls.length > 0, 'a look that fails');
      // An outage that lasts is told.
      skipTime(9_000);
      await found('DATABASE_UNAVAILABLE');
      const looks = check.mock.calls.length;
      await until(() => check.mock.calls.length > looks + 1, 'another look');
      check.mockRestore();
      await found('Krona works again');
      expect(await saying("Krona can't store anything")).toHaveLength(1);
      expect(chat.log.splice(0)).toHaveLength(2);
    });

    it('a channel that is deleted during a run is given up, and the results are kept', async () => {
      spoilt = true;
      const { records } = chat.storage;
      const { run } = await begun();
      await chat.faults.deleteChannel();
      const { id: setId } = await ended(run);
      // Slack does not tell a channel that is gone from one without the bot, until nobody was heard in it for a while.
      // Only there: a limit of Discord's that is told by another clock would not end by ours.
      if (chat.platform === 'slack') skipTime(11 * 60_000);
      const left = async () => (await records.stalePosts(chat.platform, 100)).map(({ targetId }) => targetId);
      await until(async () => (await left()).length === 0, 'an end of trying');
      expect((await records.pictures(setId)).length).toBe(2);
      expect((await records.adapters(await channelId())).some(({ runId }) => runId === run.id)).toBe(true);
      // Also a start finds nothing to complain of, once it has looked for what is to be shown.
      chat.log.splice(0);
      await chat.stopBot();
      const looks = vi.spyOn(records, 'stalePosts');
      await chat.startBot();
      await until(() => looks.mock.calls.length > 3, 'looks for what is to be shown');
      expect(chat.log).toEqual([]);
    });
  });
}
