/** @file What every RecordStore does with duels, refinements and sweeps. Each test begins with a channel of its own. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Duel, PictureSet, Run, Sweep, Trial } from '../../../core/records.ts';
import { DEFAULT_SETTINGS } from '../../../core/settings/defaults.ts';
import type { RecordStore } from '../../../storage/records.ts';
import { newRun, newSet, newSubject } from '../../helpers/new-records.ts';

const hash = (digit: string): string => digit.repeat(64);
const FILE = { blobHash: hash('d'), size: 123 };
const SWEEP: Sweep = {
  cells: [
    { a1: 2, a2: 8, lr: 1e-3, score: null, dropped: false },
    {
      a1: 4,
      a2: 8,
      lr: 1e-3,
      score: { step: 20, fidelity: 0.5, alignment: 0.25, score: 1 / 3 },
      dropped: true,
    },
  ],
  finalists: [],
  kept: null,
};
const WON: Trial = { place: 0, winner: 'second', votes: { first: 1, second: 2 } };

/** @param open a new connection to the same database each time, as bot and worker have */
export function runDuelRecordTests(open: () => Promise<RecordStore>): void {
  let bot: RecordStore;
  let worker: RecordStore;
  beforeAll(async () => {
    [bot, worker] = await Promise.all([open(), open()]);
  });
  afterAll(async () => {
    await bot?.close();
    await worker?.close();
  });

  async function house() {
    const channel = await bot.channel('discord', randomUUID(), 'pets');
    const ann = await bot.member('discord', randomUUID(), 'Ann');
    const bob = await bot.member('discord', randomUUID(), 'Bob');
    const subject = await bot.addSubject(newSubject({ channelId: channel.id, ownerId: ann.id }));
    const run = await bot.addRun(newRun(subject));
    const adapters: string[] = [];
    for (const step of [100, 200]) {
      const id = randomUUID();
      const of = {
        id,
        runId: run.id,
        subjectId: subject.id,
        channelId: channel.id,
        step,
        final: step === 200,
      };
      await worker.addAdapter({ ...of, ...FILE, settings: DEFAULT_SETTINGS });
      adapters.push(id);
    }
    const [firstId, secondId] = adapters as [string, string];
    const addDuel = (change: Partial<Duel> = {}) =>
      bot.addDuel({
        id: randomUUID(),
        channelId: channel.id,
        subjectId: subject.id,
        memberId: ann.id,
        firstId,
        secondId,
        runId: null,
        prompts: ['mochi at sea', 'mochi 🐈'],
        swapped: [false, true],
        seed: 4_294_967_295,
        settings: DEFAULT_SETTINGS,
        endsAt: new Date(Date.now() + 1e6),
        ...change,
      });
    const addPair = (duel: Duel, duelPlace: number): Promise<PictureSet> =>
      bot.addSet(
        newSet({
          channelId: channel.id,
          memberId: ann.id,
          kind: 'duel',
          subjectId: subject.id,
          duelId: duel.id,
          duelPlace,
          count: 2,
        }),
      );
    return { channel, ann, bob, subject, run, firstId, secondId, addDuel, addPair };
  }
  async function picture({ id: setId }: PictureSet, adapterId: string): Promise<string> {
    const id = randomUUID();
    const size = { width: 128, height: 128 };
    await worker.addPicture({ id, setId, index: 0, blobHash: hash('c'), ...size, seed: 7, adapterId });
    return id;
  }
  const looksAt = async (id: string): Promise<boolean> => (await worker.duelsToLookAt()).includes(id);

  it('returns a duel as it was written, and lists it while it is open', async () => {
    const { channel, addDuel, run } = await house();
    const duel = await addDuel({ runId: run.id });
    expect(duel).toMatchObject({ state: 'open', posted: 0, trials: [], reason: null, endedAt: null });
    expect(duel).toMatchObject({
      seed: 4_294_967_295,
      prompts: ['mochi at sea', 'mochi 🐈'],
      swapped: [false, true],
    });
    expect(await worker.duel(duel.id)).toEqual(duel);
    expect(await worker.duelOfRun(run.id)).toEqual(duel);
    const second = await addDuel();
    expect((await worker.openDuels(channel.id)).map(({ id }) => id)).toEqual([duel.id, second.id]);
    const endedAt = new Date();
    await bot.updateDuel(duel.id, { state: 'decided', reason: 'So it is.', trials: [WON], endedAt });
    const ended = (await worker.duel(duel.id))!;
    expect(ended).toMatchObject({ state: 'decided', reason: 'So it is.', trials: [WON], endedAt });
    expect(ended.revision).toBeGreaterThan(duel.revision);
    expect((await worker.openDuels(channel.id)).map(({ id }) => id)).toEqual([second.id]);
    await expect(bot.updateDuel(randomUUID(), { posted: 1 })).rejects.toMatchObject({
      code: 'DUEL_NOT_FOUND',
    });
  });

  it('is looked at after a vote, a picture, the end of its time and a deleted adapter, and not otherwise', async () => {
    const { addDuel, addPair, bob, firstId } = await house();
    const duel = await addDuel();
    expect(await looksAt(duel.id)).toBe(true);
    await bot.duelLookedAt(duel.id);
    expect(await looksAt(duel.id)).toBe(false);
    const set = await addPair(duel, 0);
    expect(await looksAt(duel.id)).toBe(true);
    await bot.updateDuel(duel.id, { posted: 1 });
    expect(await looksAt(duel.id)).toBe(false);
    const pictureId = await picture(set, firstId);
    expect(await looksAt(duel.id)).toBe(true);
    await bot.duelLookedAt(duel.id);
    await bot.addVote({ pictureId, memberId: bob.id, emoji: '👍', added: true });
    expect(await looksAt(duel.id)).toBe(true);
    await bot.duelLookedAt(duel.id);
    const late = await addDuel({ endsAt: new Date(Date.now() - 1000) });
    await bot.duelLookedAt(late.id);
    expect(await looksAt(late.id)).toBe(true);
    await bot.deleteAdapter(firstId);
    expect(await looksAt(duel.id)).toBe(true);
    expect((await bot.duel(duel.id))!.firstId).toBeNull();
    await bot.updateDuel(duel.id, { state: 'stopped' });
    expect(await looksAt(duel.id)).toBe(false);
  });

  it('keeps one set a pair, and updates the message of a pair when it closes, and of all at the end', async () => {
    const { addDuel, addPair } = await house();
    const duel = await addDuel();
    const [one, other] = [await addPair(duel, 0), await addPair(duel, 1)];
    await expect(addPair(duel, 1)).rejects.toThrow();
    expect((await bot.setsOfDuel(duel.id)).map(({ id }) => id)).toEqual([one.id, other.id]);
    const revisions = async () => (await bot.setsOfDuel(duel.id)).map(({ revision }) => revision);
    const [first, second] = (await revisions()) as [number, number];
    await bot.updateDuel(duel.id, { trials: [WON] });
    const [closed, open] = (await revisions()) as [number, number];
    expect(closed).toBeGreaterThan(first);
    expect(open).toBe(second);
    await bot.updateDuel(duel.id, { trials: [WON], state: 'cancelled' });
    for (const [n, revision] of (await revisions()).entries())
      expect(revision).toBeGreaterThan([closed, open][n]!);
  });

  it('counts votes in a duel elsewhere only once it has ended', async () => {
    const { channel, addDuel, addPair, bob, firstId } = await house();
    const duel = await addDuel();
    const pictureId = await picture(await addPair(duel, 0), firstId);
    await bot.addVote({ pictureId, memberId: bob.id, emoji: '1️⃣', added: true });
    expect((await bot.standingVotes(channel.id)).votes).toEqual([]);
    await bot.updateDuel(duel.id, { state: 'undecided' });
    expect((await bot.standingVotes(channel.id)).votes.map((vote) => vote.pictureId)).toEqual([pictureId]);
  });

  it("exports a member's duels and votes in them, without saying who drew what while it is open", async () => {
    const { addDuel, addPair, ann, bob, firstId, secondId } = await house();
    const duel = await addDuel();
    const pictureId = await picture(await addPair(duel, 1), secondId);
    await bot.addVote({ pictureId, memberId: bob.id, emoji: '1️⃣', added: true });
    const { votes, duelVotes, duels } = await bot.memberData(bob.id);
    const vote = { id: votes[0]!.id, duelId: duel.id, place: 1 };
    expect(duelVotes).toEqual([{ ...vote, adapterId: null }]);
    expect(duels).toEqual([]);
    const [asked] = (await bot.memberData(ann.id)).duels;
    expect(asked).toMatchObject({ id: duel.id, firstId, secondId, prompts: duel.prompts, state: 'open' });
    expect(asked).not.toHaveProperty('swapped');
    await bot.updateDuel(duel.id, { state: 'undecided' });
    expect((await bot.memberData(bob.id)).duelVotes).toEqual([{ ...vote, adapterId: secondId }]);
    await bot.eraseMember(bob.id);
    expect((await bot.memberData(bob.id)).duelVotes).toEqual([]);
    expect(await looksAt(duel.id)).toBe(false);
  });

  it('goes with its subject, and outlives the run that it judges', async () => {
    const { addDuel, addPair, subject, channel, run } = await house();
    const duel = await addDuel({ runId: run.id });
    const set = await addPair(duel, 0);
    await bot.addPost({ id: randomUUID(), channelId: channel.id, kind: 'duel', targetId: duel.id });
    await bot.deleteSubject(subject.id, 'By Ann.');
    expect(await bot.duel(duel.id)).toBeNull();
    expect(await bot.set(set.id)).toBeNull();
    expect((await bot.postOf(duel.id))!.gone).toBe('By Ann.');
  });

  it('keeps a refinement and its curves, and judges it once, after other duels of its subject', async () => {
    const { subject, addDuel, firstId } = await house();
    const refinement = { from: firstId, votes: { pairs: 12, members: 3 }, kept: null };
    const run = await bot.addRun(newRun(subject, { refinement }));
    expect(run).toMatchObject({ refinement, preference: [], sweep: null });
    const preference = [{ step: 10, margin: 0.1, accuracy: 0.6, heldOut: { margin: 0, accuracy: 0.5 } }];
    await worker.updateRun(run.id, { preference });
    expect((await bot.run(run.id))!.preference).toEqual(preference);
    await judgedOnce(
      run,
      () => worker.updateRun(run.id, { refinement: { ...refinement, kept: 'So.' } }),
      addDuel,
    );
  });

  it('keeps a sweep with its cells and two adapters of one step, and judges it once', async () => {
    const { subject, addDuel, channel } = await house();
    const run = await bot.addRun(newRun(subject, { sweep: SWEEP }));
    expect((await worker.run(run.id))!.sweep).toEqual(SWEEP);
    for (const a1 of [2, 4, 4]) {
      const of = { id: randomUUID(), runId: run.id, subjectId: subject.id, channelId: channel.id };
      const settings = { ...DEFAULT_SETTINGS, a1, a2: 8, lr: 1e-3 };
      await worker.addAdapter({ ...of, step: 200, final: true, ...FILE, settings });
    }
    const adapters = (await bot.adapters(channel.id)).filter(({ runId }) => runId === run.id);
    expect(adapters.map(({ settings }) => settings.a1)).toEqual([4, 2]);
    const [cell] = SWEEP.cells;
    const changed = {
      ...SWEEP,
      cells: [{ ...cell!, dropped: true }],
      finalists: adapters.map(({ id }) => id),
    };
    await worker.updateRun(run.id, { sweep: changed });
    expect((await bot.run(run.id))!.sweep).toEqual(changed);
    const open = (await bot.openJobs()).find(({ id }) => id === run.id);
    expect(open).toMatchObject({ kind: 'sweep', payload: { runId: run.id } });
    await judgedOnce(run, () => worker.updateRun(run.id, { sweep: { ...changed, kept: 'So.' } }), addDuel);
  });

  /** A run waits for its end, then for another duel of its subject, and is judged no more once it is kept or has a duel. */
  async function judgedOnce(
    { id }: Run,
    keep: () => Promise<void>,
    addDuel: (change?: Partial<Duel>) => Promise<Duel>,
  ): Promise<void> {
    const isDue = async () => (await bot.runsToJudge()).includes(id);
    expect(await isDue()).toBe(false);
    await worker.updateRun(id, { state: 'done' });
    expect(await isDue()).toBe(true);
    const other = await addDuel();
    expect(await isDue()).toBe(false);
    await bot.updateDuel(other.id, { state: 'cancelled' });
    expect(await isDue()).toBe(true);
    const own = await addDuel({ runId: id });
    await bot.updateDuel(own.id, { state: 'cancelled' });
    expect(await isDue()).toBe(false);
    await keep();
    expect(await isDue()).toBe(false);
  }
}
