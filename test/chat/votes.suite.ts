/** @file Duels, refinements and sweeps, the same on every platform: the votes of a channel decide between adapters, and train one. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { PlayedWorker } from '../bot/world.ts';
import type { ChatDriver, ChatMember } from './driver.ts';
import { sweepSheet } from '../../core/pictures/sweep-sheet.ts';
import { drawings, photosOf } from './pictures.ts';
import { eventually, playedChannel } from './played-channel.ts';

export function runVoteScenarios(name: string, open: () => Promise<ChatDriver>): void {
  describe(`votes on ${name}`, () => {
    const scene = playedChannel(open);
    const { message, whisper, channel, openRun, openSet, drawnSet, saying, votesOn, learnt, imagined } =
      scene;
    let chat: ChatDriver;
    let worker: PlayedWorker;
    let mia: ChatMember;
    let ben: ChatMember;
    let zoe: ChatMember;
    let boss: ChatMember;
    beforeAll(() => {
      ({ chat, worker, mia, ben, zoe, boss } = scene.opened());
    });

    /** Ben, Zoe and Boss vote for the same adapter in each pair, until the duel has ended. */
    async function dueled(id: string, adapter: 'first' | 'second'): Promise<void> {
      const { records } = chat.storage;
      for (let place = 0; ; place++) {
        const set = await eventually(async () => {
          const duel = (await records.duel(id))!;
          const found = (await records.setsOfDuel(id)).find(({ duelPlace }) => duelPlace === place);
          expect(found !== undefined || duel.state !== 'open', `pair ${place + 1}`).toBe(true);
          return duel.state === 'open' ? found! : null;
        });
        if (set === null) return;
        const { swapped, firstId, secondId } = (await records.duel(id))!;
        const turned = swapped[place] === true;
        const ids = [firstId!, secondId!];
        await worker.draw(set, await drawings(2, 7 * place + 1), turned ? ids.toReversed() : ids);
        const post = await eventually(async () => {
          const posted = await records.postOf(set.id);
          const seen = (await chat.messages()).find(
            (each) => each.id === posted?.messageId && each.pictures === 2,
          );
          expect(seen, `the message of pair ${place + 1}`).toBeDefined();
          return seen!;
        });
        for (const adapterId of ids)
          expect(post.text + post.files.join()).not.toContain(adapterId.slice(0, 6));
        for (const member of [ben, zoe, boss])
          await member.vote(post, (adapter === 'first') === turned ? 2 : 1);
        await eventually(async () =>
          expect((await records.duel(id))!.trials.map((trial) => trial.place)).toContain(place),
        );
      }
    }
    const openDuel = () =>
      eventually(async () => {
        const [duel] = await chat.storage.records.openDuels((await channel()).id);
        expect(duel, 'an open duel').toBeDefined();
        return duel!;
      });

    it('decides a blind duel of two adapters by votes, over a restart, and tells who was which', async () => {
      const { run } = await learnt('sumi');
      const { records } = chat.storage;
      const [last, early] = (await records.adapters(run.channelId)).filter(({ runId }) => runId === run.id);
      const rival = `sumi-100-${early!.id.slice(0, 6)}`;
      await mia.run(`/krona duel ${rival} sumi pairs:8 prompts:"sumi at sea; sumi on stage"`);
      await message(/Blind duel: sumi-100[^]*0 of at most 8/);
      const { id } = await openDuel();
      await ben.run(`/krona duel ${rival}`);
      await whisper(ben, 'DUEL_OPEN');
      await chat.stopBot();
      await chat.startBot();
      await dueled(id, 'first');
      const verdict = await message(`${rival} won the duel`);
      expect(verdict.text).toMatch(/won 8 of 8 pairs: 100% \(95% interval/);
      expect(verdict.buttons).toContain('Make champion');
      await message(/sumi on stage[^]*drawn by/);
      // A duel compares; only a member or the channel's votes choose.
      expect((await records.subject(run.subjectId))!.championId).toBe(last!.id);
      expect(await saying(`${rival} won the duel`)).toHaveLength(1);
    });

    it('ends a duel at once when its asker cancels it', async () => {
      const { run } = await learnt('kiku');
      const early = (await chat.storage.records.adapters(run.channelId)).findLast(
        ({ runId }) => runId === run.id,
      );
      await mia.run(`/krona duel kiku-100-${early!.id.slice(0, 6)}`);
      const begun = await message(/Blind duel: kiku-100/);
      await ben.press(begun, 'Cancel');
      await whisper(ben, 'NOT_ALLOWED');
      await mia.press(begun, 'Cancel');
      await message(/The duel is cancelled[^]*Mia cancelled it/);
    });

    it('steers pictures by votes', async () => {
      await mia.run('/krona imagine a quiet bay steer:votes');
      await whisper(mia, 'VOTES_TOO_FEW');
      const { set, shown } = await imagined(mia, 'a calm bay');
      await ben.vote(shown, 2);
      await eventually(async () => expect(await votesOn(set)).toHaveLength(1));
      await mia.run('/krona imagine a quiet bay steer:votes count:1');
      const steered = await openSet('a quiet bay');
      const [, liked] = await chat.storage.records.pictures(set.id);
      expect(steered.steering).toEqual({ liked: [liked!.id], disliked: [] });
      await worker.draw(steered, await drawings(1));
      await ben.press(await drawnSet('a quiet bay', 1), 'Details');
      await whisper(ben, /steered by votes[^]*more like 1 liked picture/);
    });

    it('refines a champion with votes; a duel against it decides whether the result replaces it', async () => {
      const { run: before } = await learnt('yuki');
      const { records } = chat.storage;
      await mia.run('/krona refine yuki');
      await whisper(mia, /VOTES_TOO_FEW/);
      for (let n = 0; n < 4; n++) {
        const { set, shown } = await imagined(mia, `yuki in scene ${n}`, 4, 20 * n);
        for (const member of [ben, zoe, boss]) await member.vote(shown, 2);
        await eventually(async () => expect(await votesOn(set)).toHaveLength(3));
      }
      await mia.run('/krona refine yuki');
      await message(/Refining of yuki is queued[^]*12 pairs of pictures, by 3 members/);
      const run = await openRun('yuki');
      await records.updateRun(run.id, {
        preference: [10, 20].map((step) => ({
          step,
          margin: step / 1e4,
          accuracy: 0.5 + step / 100,
          heldOut: { margin: 0, accuracy: 0.5 },
        })),
      });
      await message(/accuracy on pairs/);
      const refined = await worker.adapter(run, run.settings.steps, true);
      await worker.finish(run);
      await message(/yuki is refined[^]*A blind duel with the champion decides/);
      const { id, secondId } = await openDuel();
      expect(secondId).toBe((await records.subject(before.subjectId))!.championId);
      await dueled(id, 'first');
      const news = await message('won the duel and is the new champion of yuki');
      expect(news.pictures).toBe(4);
      expect((await records.subject(before.subjectId))!.championId).toBe(refined);
    });

    it('sweeps a grid once its asker has started it; votes choose the settings and the champion', async () => {
      const { records } = chat.storage;
      await mia.givePhotos('tora', 'cat', await photosOf('tora', ['#cfe3f7', '#f7e2b8', '#d8f0d0']));
      await message('3 photos of tora added');
      await mia.run('/krona sweep tora a1:2,3 a2:8,16');
      await whisper(mia, /3×8[^]*3×16/);
      await mia.run('/krona sweep tora a1:2,4 a2:8,16');
      const asked = await whisper(mia, /Start a sweep of tora\?[^]*It takes about/);
      await mia.press(asked, 'Start');
      await message(/Sweep of tora is queued/);
      const run = await openRun('tora');
      await ben.run('/krona queue show');
      await whisper(ben, /sweep tora/);
      const phase = 'training 2×16, lr 0.002';
      await records.updateRun(run.id, {
        state: 'running',
        progress: { step: 80, steps: 800, secondsLeft: 90, phase },
      });
      const going = await message(/10% · training 2×16/);
      await ben.press(going, 'Cancel');
      await whisper(ben, 'NOT_ALLOWED');
      await mia.press(going, 'Cancel cells');
      const cells = await whisper(mia, /Cells of the sweep of tora/);
      await mia.press(cells, cells.buttons[0]!);
      await whisper(mia, /Cancelled: 2×8/);
      await eventually(async () =>
        expect((await records.run(run.id))!.sweep!.cells.filter(({ dropped }) => dropped)).toHaveLength(1),
      );
      const tiles = await drawings(4, 3);
      const { png } = await sweepSheet(
        run.sweep!.cells.map((cell, n) => ({ ...cell, picture: tiles[n]!, score: 0.5, finalist: n > 1 })),
      );
      const [, second] = await worker.sweep((await records.run(run.id))!, png);
      const sheet = await eventually(async () => {
        const seen = await message(/The sweep of tora is done[^]*A blind duel decides/);
        expect(seen.pictures).toBe(1);
        return seen;
      });
      expect(sheet.text).toMatch(/\(4×16, lr /);
      await message(/Blind duel: tora-200[^]*Both are finalists of a sweep/);
      const { id } = await openDuel();
      await chat.stopBot();
      await chat.startBot();
      await dueled(id, 'second');
      const news = await message('won the duel and is the new champion of tora');
      expect(news.pictures).toBe(4);
      expect(news.text).toContain('This channel now trains with');
      const { settings } = (await records.adapter(second!))!;
      expect((await channel()).settings).toMatchObject({ a1: settings.a1, a2: settings.a2, lr: settings.lr });
      expect((await records.subject(run.subjectId))!.championId).toBe(second);
    });
  });
}
