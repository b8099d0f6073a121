/** @file What a channel does with Krona, the same on every platform. The worker is played: it writes what a worker writes. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { PictureSet, Run } from '../../core/records.ts';
import { PlayedWorker } from '../bot/world.ts';
import { MODEL } from '../commands/helpers.ts';
import type { ChatDriver, ChatMember, Seen } from './driver.ts';
import { drawings, photosOf } from './pictures.ts';

/** Scenarios that cannot be on a platform, each with the reason. */
export type Skips = Partial<Record<'votes while the bot is away' | 'photos shown to one member', string>>;

/** Tries until the expectations hold. */
const eventually = <T>(look: () => Promise<T>): Promise<T> =>
  vi.waitFor(look, { timeout: 20_000, interval: 100 });

export function runChatScenarios(name: string, open: () => Promise<ChatDriver>, skips: Skips = {}): void {
  describe(`a channel on ${name}`, () => {
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
    const openRun = (): Promise<Run> =>
      eventually(async () => {
        const run = (await chat.storage.records.openWork((await channel()).id)).runs[0];
        expect(run, 'a run in the queue').toBeDefined();
        return run!;
      });
    const openSet = (): Promise<PictureSet> =>
      eventually(async () => {
        const set = (await chat.storage.records.openWork((await channel()).id)).sets[0];
        expect(set, 'a set in the queue').toBeDefined();
        return set!;
      });

    it('gives photos to one subject, several members together', async () => {
      await mia.givePhotos('mochi', 'cat', await photosOf('mia', ['#cfe3f7', '#f7e2b8']));
      await message(/2 photos of mochi added/);
      await ben.givePhotos('mochi', 'cat', await photosOf('ben', ['#d9f0d0', '#f3d3dd']));
      await message(/mochi now has 4 of at most 20 photos/);
      await ben.run('/krona photos list subject:mochi');
      const list = await whisper(ben, '4 photos of mochi');
      expect(list.pictures).toBe(4);
      expect(list.text).toContain('Mia');
    });

    it('trains in one message that lives: place, percent, time left, samples, file; the result is another', async () => {
      await mia.run('/krona train subject:mochi');
      const waiting = await message(/Training of mochi is queued/);
      expect(waiting.buttons).toContain('Cancel');
      const run = await openRun();
      expect(run.photoHashes).toHaveLength(4);
      const before = (await chat.messages()).length;

      await worker.progress(run, 50, 30);
      const learning = await message(/25%[^]*30 s left/);
      expect(learning.id).toBe(waiting.id);
      const early = await worker.adapter(run, 100, false);
      await worker.picturesOfRun(run, 'samples', early, await drawings(2));
      await eventually(async () => expect((await message('Training mochi')).pictures).toBe(2));
      await ben.press(await message('Training mochi'), 'Samples');
      const samples = await whisper(ben, 'Samples of mochi');
      expect(samples.pictures).toBe(2);
      expect(samples.text).toContain('step 100');
      await ben.press(await message('Training mochi'), 'Settings');
      expect((await whisper(ben, 'Settings of this training')).text).toContain(String(run.settings.lr));

      const last = await worker.adapter(run, run.settings.steps, true);
      await worker.picturesOfRun(run, 'finals', last, await drawings(2), [early, last]);
      await worker.finish(run);
      const learnt = await eventually(async () => {
        const seen = await message('mochi is trained');
        expect(seen.pictures).toBe(0);
        expect(seen.files.join()).toContain('.safetensors');
        return seen;
      });
      expect(learnt.id).toBe(waiting.id);
      await eventually(async () => expect((await message('Which mochi is the best')).pictures).toBe(2));
      expect((await chat.messages()).length).toBe(before + 1);
    });

    it('chooses the champion by the votes of three members, and says so once', async () => {
      const grid = await message('Which mochi is the best');
      for (const member of [ben, zoe]) await member.vote(grid, 2);
      await boss.vote(grid, 2);
      const news = await message(/is the new champion of mochi/);
      expect(news.pictures).toBe(1);
      expect(
        (await chat.messages()).filter(({ text }) => text.includes('new champion of mochi')),
      ).toHaveLength(1);
      const subject = (await chat.storage.records.subjects((await channel()).id))[0]!;
      expect(subject.championId).not.toBeNull();
    });

    it('draws with it when a prompt names it, and anybody can draw the set again', async () => {
      await ben.run('/krona imagine mochi in the rain count:2');
      const set = await openSet();
      expect(set.adapterId).not.toBeNull();
      await worker.draw(set, await drawings(2));
      const drawn = await drawnSet('mochi in the rain');
      expect(drawn.buttons).toEqual(
        expect.arrayContaining(['Vary 1', 'Vary 2', 'Again', 'Details', 'Delete']),
      );
      await zoe.press(drawn, 'Details');
      await whisper(zoe, String(set.seed));
      await zoe.press(drawn, 'Again');
      const again = await openSet();
      expect(again.prompt).toBe(set.prompt);
      expect(again.seed).not.toBe(set.seed);
      await worker.draw(again, await drawings(2));
      // The next scenarios vote on the newer one, once it shows its pictures.
      await eventually(async () =>
        expect(
          (await chat.messages()).filter(
            (each) => each.text.includes('mochi in the rain') && each.pictures === 2,
          ),
        ).toHaveLength(2),
      );
    });

    it('makes a picture an emoji for who asks, and shows it to him alone', async () => {
      const before = (await chat.messages()).length;
      await ben.press(await drawnSet('mochi in the rain'), 'Emoji 2');
      const made = await whisper(ben, 'Picture 2 as an emoji');
      expect(made.pictures).toBe(1);
      expect(made.text).toMatch(/128×128 pixels/);
      expect((await chat.messages()).length).toBe(before);
    });

    it('ranks what was voted on; a vote taken back counts no more', async () => {
      const drawn = await drawnSet('mochi in the rain');
      await mia.vote(drawn, 1);
      await zoe.vote(drawn, 2);
      await zoe.vote(drawn, 2, false);
      await eventually(async () => {
        const { votes } = await chat.storage.records.standingVotes((await channel()).id);
        const names = await chat.storage.records.members(votes.map(({ memberId }) => memberId));
        expect(votes).toHaveLength(4);
        expect(new Set(names.map(({ name }) => name))).toEqual(new Set(['Mia', 'Ben', 'Zoe', 'Boss']));
      });
      await mia.run('/krona top');
      const top = await eventually(async () => {
        const seen = [...(await chat.messages()), ...(await mia.whispers())].findLast(({ text }) =>
          /Best|Top|ranking/i.test(text),
        );
        expect(seen, 'a ranking').toBeDefined();
        return seen!;
      });
      expect(top.text).toContain('mochi');
    });

    const away = skips['votes while the bot is away'];
    it.skipIf(away !== undefined)(
      `counts votes that came while the bot was away${away === undefined ? '' : ` (${away})`}`,
      async () => {
        const drawn = await drawnSet('mochi in the rain');
        await chat.stopBot();
        await ben.vote(drawn, 2);
        await mia.vote(drawn, 1, false);
        await chat.startBot();
        await eventually(async () => {
          const { votes } = await chat.storage.records.standingVotes((await channel()).id);
          const names = await chat.storage.records.members(votes.map(({ memberId }) => memberId));
          expect(names.map(({ name }) => name).filter((each) => each === 'Mia')).toHaveLength(0);
          expect(
            votes.filter(({ memberId }) => names.find(({ id }) => id === memberId)?.name === 'Ben'),
          ).toHaveLength(2);
        });
      },
    );

    it('changes settings before everybody; what cannot be is said to the caller alone', async () => {
      const before = (await chat.messages()).length;
      await mia.run('/krona settings train a1:7');
      await whisper(mia, /a1=7 does not divide/);
      expect((await chat.messages()).length).toBe(before);
      await mia.run('/krona settings train steps:300');
      await eventually(async () => expect((await channel()).settings.steps).toBe(300));
      await message('300');
    });

    it('lets nobody else cancel or delete; who asked, and moderators, can', async () => {
      await mia.run('/krona imagine a fox');
      const waiting = await eventually(async () => {
        const seen = await message('a fox');
        expect(seen.buttons).toContain('Cancel');
        return seen;
      });
      await ben.press(waiting, 'Cancel');
      await whisper(ben, 'NOT_ALLOWED');
      await mia.press(waiting, 'Cancel');
      await message(/a fox[^]*Cancelled/);

      const drawn = await drawnSet('mochi in the rain');
      await mia.press(drawn, 'Delete');
      await whisper(mia, 'NOT_ALLOWED');
      await boss.press(drawn, 'Delete');
      await eventually(async () => {
        expect((await chat.messages()).map(({ id }) => id)).not.toContain(drawn.id);
      });
    });

    it('says when there is room again to who is over the quota; moderators have none', async () => {
      const kim = await chat.member('Kim');
      await boss.run('/krona rules set member_pictures:3');
      await whisper(boss, 'Rules changed');
      await kim.run('/krona imagine a bird count:2');
      await worker.draw(await openSet(), await drawings(2));
      await drawnSet('a bird');
      await kim.run('/krona imagine a fish count:2');
      const refused = await whisper(kim, 'QUOTA_EXCEEDED');
      expect(refused.text).toMatch(/You can request 3 pictures in an hour. Try again in .* UTC/);
      expect((await chat.messages()).filter(({ text }) => text.includes('a fish'))).toEqual([]);
      await boss.run('/krona imagine a whale count:4');
      const whale = await openSet();
      await worker.draw(whale, await drawings(4));
      await drawnSet('a whale', 4);
      await boss.run('/krona rules set member_pictures:0');
      await whisper(boss, /3 → no limit/);
    });

    it('lets only those train who may, and says so to others alone', async () => {
      await boss.run('/krona rules roles right:train who:moderators');
      await whisper(boss, /who can train: everyone → moderators/);
      const before = (await chat.messages()).length;
      await mia.run('/krona train subject:mochi');
      await whisper(mia, /Only moderators can train here[^]*NOT_ALLOWED/);
      expect((await chat.messages()).length).toBe(before);
      await boss.run('/krona rules roles right:train who:everyone');
      await whisper(boss, /who can train: moderators → everyone/);
    });

    it('answers buttons of messages from before a restart', async () => {
      const drawn = await drawnSet('mochi in the rain');
      await chat.stopBot();
      await chat.startBot();
      await ben.press(drawn, 'Again');
      const set = await openSet();
      expect(set.prompt).toContain('mochi in the rain');
      await worker.draw(set, await drawings(2));
    });

    it('pings nobody, whatever is typed', async () => {
      const prompt = 'a cat @everyone <!channel> <@U1> <@1> & **bold** `code`';
      await zoe.run(`/krona imagine ${prompt}`);
      const set = await openSet();
      expect(set.prompt).toContain('@everyone');
      await worker.draw(set, await drawings(2));
      await drawnSet('a cat @everyone');
      expect(await chat.pinged()).toEqual([]);
    });

    it('says what is wrong with photos, all in one answer, and keeps the good ones', async () => {
      const [good] = await photosOf('good', ['#ffeeaa']);
      await zoe.givePhotos('rex', 'dog', [good!, { name: 'note.png', bytes: Buffer.from('not a picture') }]);
      const told = await whisper(zoe, 'note.png');
      expect(told.text).toMatch(/1 of 2 photos kept/);
      await message(/1 photo of rex added/);
    });

    it('takes back from the platform all that was posted of a subject, when that is deleted', async () => {
      const before = await chat.files();
      await zoe.givePhotos('tofu', 'dog', await photosOf('zoe', ['#cceeff', '#ffeecc']));
      await message(/2 photos of tofu added/);
      await zoe.run('/krona train subject:tofu');
      const run = await openRun();
      const early = await worker.adapter(run, 100, false);
      await worker.picturesOfRun(run, 'samples', early, await drawings(2, 10));
      const last = await worker.adapter(run, run.settings.steps, true);
      await chat.storage.records.setChampion(run.subjectId, last, false);
      await worker.picturesOfRun(run, 'finals', last, await drawings(2, 20), [early, last]);
      await worker.finish(run);
      const learnt = await message('tofu is trained');
      const grid = await message('Which tofu is the best');
      for (const [turn, words] of [
        [30, 'tofu on a hill'],
        [40, 'tofu by the sea'],
        [60, 'tofu asleep'],
      ] as const) {
        await zoe.run(`/krona imagine ${words} count:2`);
        await worker.draw(await openSet(), await drawings(2, turn));
      }
      const [hill, sea] = [await drawnSet('tofu on a hill'), await drawnSet('tofu by the sea')];
      const asleep = await drawnSet('tofu asleep');
      for (const drawn of [hill, sea, asleep]) await mia.vote(drawn, 1);
      await eventually(async () => {
        const { votes, pictures, sets } = await chat.storage.records.standingVotes((await channel()).id);
        const tofus = sets.filter(({ subjectId }) => subjectId === run.subjectId).map(({ id }) => id);
        const shown = pictures.filter(({ setId }) => tofus.includes(setId)).map(({ id }) => id);
        expect(votes.filter(({ pictureId }) => shown.includes(pictureId))).toHaveLength(3);
      });
      await mia.run('/krona top subject:tofu');
      const best = await message(/Best pictures[^]*tofu/);
      expect(best.pictures).toBe(3);
      expect(await chat.files()).toBeGreaterThan(before);

      const bestNow = async () => (await chat.messages()).find(({ id }) => id === best.id)!;
      await zoe.press(asleep, 'Delete');
      await eventually(async () => {
        const { text, pictures } = await bestNow();
        for (const words of ['tofu on a hill', 'tofu by the sea']) expect(text).toContain(words);
        expect(text).not.toContain('tofu asleep');
        expect(pictures).toBe(2);
      });

      await chat.deleteThere?.(sea);
      await chat.limitDeletion?.();
      await zoe.run('/krona delete tofu');
      await zoe.press(await whisper(zoe, 'Delete tofu?'), 'Delete tofu');
      await message('tofu is deleted');
      await eventually(async () => {
        const standing = (await chat.messages()).map(({ id }) => id);
        for (const { id } of [learnt, grid, hill, sea]) expect(standing).not.toContain(id);
        const { text, pictures } = await bestNow();
        expect(text).toContain('This ranking is empty');
        expect([text.includes('tofu'), pictures]).toEqual([false, 0]);
        expect(await chat.files()).toBe(before);
      });
    });

    it('takes back after a restart what was deleted while the bot was away', async () => {
      const before = await chat.files();
      await zoe.run('/krona imagine a lone owl count:2');
      const set = await openSet();
      await worker.draw(set, await drawings(2, 50));
      const drawn = await drawnSet('a lone owl');
      await chat.stopBot();
      await chat.storage.records.deleteSet(set.id, 'By Zoe.');
      await chat.startBot();
      await eventually(async () => {
        expect((await chat.messages()).map(({ id }) => id)).not.toContain(drawn.id);
        expect(await chat.files()).toBe(before);
      });
    });

    const alone = skips['photos shown to one member'];
    it.skipIf(alone !== undefined)(
      `takes back photos that a member has deleted${alone === undefined ? '' : ` (${alone})`}`,
      async () => {
        await mia.run('/krona photos list subject:mochi');
        expect((await whisper(mia, '4 photos of mochi')).pictures).toBe(4);
        const before = await chat.files();
        await ben.run('/krona privacy delete');
        await ben.press(await whisper(ben, 'Delete your photos and votes?'), 'Delete forever');
        await whisper(ben, 'Your photos and votes are deleted');
        await eventually(async () => expect(await chat.files()).toBe(before - 2));
        await mia.run('/krona photos remove subject:mochi photo:1');
        await eventually(async () => expect(await chat.files()).toBe(before - 3));
      },
    );

    it('deletes all of a subject for who began it, after a second word', async () => {
      await mia.run('/krona delete rex');
      await whisper(mia, /Only the owner of rex/i);
      await zoe.run('/krona delete rex');
      const asked = await whisper(zoe, 'Delete rex?');
      await zoe.press(asked, 'Delete rex');
      await message('rex is deleted');
      expect((await chat.storage.records.subjects((await channel()).id)).map(({ name }) => name)).toEqual([
        'mochi',
      ]);
    });
  });
}

const says = (text: string, words: string | RegExp): boolean =>
  typeof words === 'string' ? text.includes(words) : words.test(text);
