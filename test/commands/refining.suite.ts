import { expect, it } from 'vitest';
import { advanceDuel } from '../../commands/votes/advance-duel.ts';
import { judgeRun } from '../../commands/votes/judge-run.ts';
import type { Run } from '../../core/records.ts';
import type { Storage } from '../../storage/open.ts';
import { Room } from './helpers.ts';

const VOTERS = ['bob', 'cid', 'dan'];

export function refiningSuite(storage: () => Storage): void {
  /** A channel with a trained subject, and sets of four on which members agree. */
  async function voted(sets = 4, voters: readonly string[] = VOTERS): Promise<Room> {
    const channel = new Room(storage());
    await channel.trained('mochi', 'cat', [100, 200]);
    for (let n = 0; n < sets; n++) {
      const card = await channel.say('ann', `/krona imagine mochi number ${n} count:4`);
      const set = await channel.set(card);
      const pictures = await channel.finishSet(set);
      for (const voter of voters) await channel.react(voter, set, pictures[n % 4]!, '👍');
    }
    return channel;
  }
  const subjectOf = async (run: Run) => (await storage().records.subject(run.subjectId))!;

  it('queues a run from the champion, at a quarter of its rate, with the photos', async () => {
    const channel = await voted();
    const card = await channel.say('ann', '/krona refine mochi');
    expect(card.title).toBe('Refining of mochi is queued');
    const run = await channel.run(card);
    const { championId } = await subjectOf(run);
    expect(run.refinement).toEqual({ from: championId, votes: { pairs: 12, members: 3 }, kept: null });
    const champion = (await storage().records.adapter(championId!))!;
    expect(run.settings.lr).toBeCloseTo(champion.settings.lr / 4);
    expect(run.settings.method).toBe(champion.settings.method);
    expect(run.photoHashes).toHaveLength(1);
    expect(card.fields).toContainEqual({ name: 'votes', value: '12 pairs of pictures, by 3 members' });
    expect(await channel.refusal('ann', '/krona refine mochi')).toMatch(/^SUBJECT_BUSY/);
  });

  it('says what is missing before anything runs', async () => {
    const channel = new Room(storage());
    expect(await channel.refusal('ann', '/krona refine mochi')).toMatch(/^SUBJECT_UNKNOWN/);
    await channel.trained('mochi', 'cat');
    expect(await channel.refusal('ann', '/krona refine mochi')).toMatch(/^VOTES_TOO_FEW: No votes prefer/);

    const pair = await voted(4, ['bob', 'cid']);
    expect(await pair.refusal('ann', '/krona refine mochi')).toMatch(
      /^VOTES_TOO_FEW: .*12 by 2; still missing: 1 more member\./,
    );
    const few = await voted(2);
    expect(await few.refusal('ann', '/krona refine mochi')).toMatch(/6 by 3; still missing: 6 more pairs\./);
  });

  it('counts neither votes on own pictures, nor those taken back, nor those on deleted pictures', async () => {
    const channel = await voted(4, ['bob', 'cid']);
    const { sets } = await storage().records.standingVotes((await channel.actor('ann')).channel.id);
    const own = sets.filter(({ kind }) => kind === 'imagine');
    for (const set of own) await channel.react('ann', set, null, '1️⃣');
    expect(await channel.refusal('ann', '/krona refine mochi')).toMatch(/12 by 2/);
    const third = own.at(-1)!;
    await channel.react('dan', third, null, '4️⃣');
    await channel.react('dan', third, null, '4️⃣', false);
    expect(await channel.refusal('ann', '/krona refine mochi')).toMatch(/12 by 2/);
    await storage().records.deleteSet(own[0]!.id, 'By Ann.');
    expect(await channel.refusal('ann', '/krona refine mochi')).toMatch(/9 by 2/);
  });

  it('refines no pinned champion, and none during a duel', async () => {
    const channel = await voted();
    channel.moderators.add('ann');
    const [early, last] = (
      await storage().records.adapters((await channel.actor('ann')).channel.id)
    ).toReversed();
    const name = `mochi-${last!.step}-${last!.id.slice(0, 6)}`;
    await channel.say('ann', `/krona adapters champion ${name}`);
    expect(await channel.refusal('ann', '/krona refine mochi')).toMatch(/^CHAMPION_PINNED/);
    await channel.say('ann', `/krona adapters champion ${name} pin:no`);
    await channel.say('ann', `/krona duel mochi-${early!.step}-${early!.id.slice(0, 6)}`);
    expect(await channel.refusal('ann', '/krona refine mochi')).toMatch(/^DUEL_OPEN/);
  });

  it('says that votes that cancel each other out are no pairs', async () => {
    const channel = new Room(storage());
    await channel.trained('mochi', 'cat');
    const set = await channel.set(await channel.say('ann', '/krona imagine mochi count:2'));
    const [left, right] = await channel.finishSet(set);
    await channel.react('bob', set, left!, '👍');
    await channel.react('cid', set, right!, '👍');
    expect(await channel.refusal('ann', '/krona refine mochi')).toMatch(/VOTES_TOO_FEW: .*cancel each other/);
  });

  /** A refinement whose run is done, and the duel that judges it. */
  async function refined() {
    const channel = await voted();
    const card = await channel.say('ann', '/krona refine mochi');
    const run = await channel.run(card);
    const before = (await subjectOf(run)).championId;
    const [result] = await channel.finishRun(run);
    await judgeRun(storage().records, run.id);
    return { channel, card, run, before, result: result! };
  }
  /** Three members vote for the refined adapter in each open pair, until the duel ends. */
  async function fight(channel: Room, run: Run) {
    const { records } = storage();
    for (let round = 0; round < 40; round++) {
      const duel = (await records.duelOfRun(run.id))!;
      if (duel.state !== 'open') return duel;
      await advanceDuel(records, duel.id);
      for (const set of await records.setsOfDuel(duel.id)) {
        if (set.state !== 'queued') continue;
        const pictures = await channel.finishSet(set);
        const place = duel.swapped[set.duelPlace!] ? 1 : 0;
        for (const voter of VOTERS) await channel.react(voter, set, pictures[place]!, '👍');
      }
    }
    throw new Error('the duel never ended');
  }

  it('shows the curves, and never makes the result the champion by itself', async () => {
    const { channel, card, run, before } = await refined();
    await storage().records.updateRun(run.id, {
      refinement: { ...run.refinement!, votes: { pairs: 12, members: 3 } },
      losses: [1, 2].map((step) => ({ step, loss: 1 / step })),
      preference: [1, 2].map((step) => ({
        step,
        margin: step / 100,
        accuracy: 0.5 + step / 10,
        heldOut: { margin: 0, accuracy: 0.5 },
      })),
    });
    const done = await channel.card(card);
    expect(done.title).toBe('mochi is refined');
    expect(done.charts!.map(({ label, beside }) => [label, beside?.label])).toEqual([
      ['loss', undefined],
      ['accuracy on pairs', 'on pairs held out'],
      ['margin on pairs', 'on pairs held out'],
    ]);
    expect(done.fields).toContainEqual({ name: 'votes', value: '12 pairs of pictures, by 3 members' });
    expect(done.buttons!.map(({ label }) => label)).not.toContain('Make champion');
    expect((await subjectOf(run)).championId).toBe(before);
  });

  it('becomes the champion by winning its duel, which can be rolled back', async () => {
    const { channel, run, before, result } = await refined();
    const duel = await fight(channel, run);
    expect(duel).toMatchObject({ state: 'decided', firstId: result.id, secondId: before });
    expect((await subjectOf(run)).championId).toBe(result.id);
    channel.moderators.add('ann');
    await channel.say('ann', '/krona adapters rollback mochi');
    expect((await subjectOf(run)).championId).toBe(before);
  });

  it('is judged once, and says why when there is no duel', async () => {
    const { run } = await refined();
    const { records } = storage();
    const duel = (await records.duelOfRun(run.id))!;
    await judgeRun(records, run.id);
    expect((await records.duelOfRun(run.id))!.id).toBe(duel.id);
    expect(await records.runsToJudge()).not.toContain(run.id);

    const next = await voted();
    const card = await next.say('ann', '/krona refine mochi');
    const alone = await next.run(card);
    await next.finishRun(alone);
    await records.setChampion(alone.subjectId, null, false);
    await judgeRun(records, alone.id);
    expect(await records.duelOfRun(alone.id)).toBeNull();
    expect((await next.card(card)).text!.join(' ')).toMatch(/No duel judges it: mochi has no champion/);
  });
}
