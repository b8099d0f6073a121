import { expect, it, vi } from 'vitest';
import { advanceDuel } from '../../commands/votes/advance-duel.ts';
import type { Card } from '../../commands/card.ts';
import { loadCard } from '../../commands/cards/load-card.ts';
import { adapterName } from '../../commands/subjects/subjects.ts';
import { judgeRun } from '../../commands/votes/judge-run.ts';
import { openDuel } from '../../commands/votes/open-duel.ts';
import { detailsCard } from '../../commands/cards/set-card.ts';
import { setSource } from '../../commands/cards/load-card.ts';
import type { Duel, PictureSet } from '../../core/records.ts';
import type { Storage } from '../../storage/open.ts';
import { Room } from './helpers.ts';

/** Duels as members see them; the bot's look is taken by hand. */
export function duelSuite(storage: () => Storage): void {
  const room = (): Room => new Room(storage());
  const duelOf = async ({ follows }: Card): Promise<Duel> => (await storage().records.duel(follows!.id))!;
  const again = async ({ id }: Duel): Promise<Duel> => {
    await advanceDuel(storage().records, id);
    return (await storage().records.duel(id))!;
  };
  const name = (adapter: { readonly id: string; readonly step: number }) =>
    adapterName({ name: 'mochi' }, adapter);

  /** A duel of the checkpoints of 100 and 200 steps, asked for by Ann. */
  async function opened(channel: Room, more = '') {
    const [first, second] = await channel.trained('mochi', 'cat', [100, 200]);
    const card = await channel.say('ann', `/krona duel ${name(first!)} mochi ${more}`);
    return { first: first!, second: second!, duel: await again(await duelOf(card)), card };
  }
  const openSets = async ({ id }: Duel): Promise<PictureSet[]> => {
    const sets = await storage().records.setsOfDuel(id);
    return sets.filter(({ state }) => state === 'queued');
  };
  /** The worker draws what waits, as the record asks. */
  async function drawn(channel: Room, duel: Duel): Promise<PictureSet[]> {
    const sets = await openSets(duel);
    for (const set of sets) {
      const ids = [duel.firstId, duel.secondId];
      await channel.finishSet(set, duel.swapped[set.duelPlace!] ? ids.toReversed() : ids);
    }
    return sets;
  }
  /** Votes of a member for the first adapter's picture, or the second's. */
  const vote = (channel: Room, member: string, duel: Duel, set: PictureSet, first = true, added = true) =>
    channel.react(member, set, null, duel.swapped[set.duelPlace!] === first ? '2️⃣' : '1️⃣', added);
  const shown = (set: PictureSet) => loadCard('set', set.id, storage());
  const verdict = ({ id }: Duel) => loadCard('verdict', id, storage());
  /** The duel after all its pairs went to the first adapter, or the second. */
  async function won(channel: Room, begun: Duel, byFirst = true): Promise<Duel> {
    let duel = begun;
    while (duel.state === 'open') {
      await drawn(channel, duel);
      const closed = new Set(duel.trials.map(({ place }) => place));
      for (const set of await storage().records.setsOfDuel(duel.id))
        if (!closed.has(set.duelPlace!))
          for (const member of ['bob', 'cid', 'dee']) await vote(channel, member, duel, set, byFirst);
      duel = await again(duel);
    }
    return duel;
  }

  it('posts two pairs at a time, which tell nothing of their adapters until the duel ends', async () => {
    const channel = room();
    const { duel, first, second, card } = await opened(channel, 'prompts:"mochi asleep; mochi in the rain"');
    expect(card.title).toBe(`Blind duel: ${name(first)} against ${name(second)}`);
    expect(card.text!.join(' ')).toContain('Votes of ann don’t count');
    expect(duel.prompts).toHaveLength(30);
    const sets = await drawn(channel, duel);
    expect(sets.map(({ prompt, count }) => [prompt, count])).toEqual([
      ['mochi asleep', 2],
      ['mochi in the rain', 2],
    ]);
    const pair = (await storage().records.set(sets[0]!.id))!;
    const told = JSON.stringify([await shown(pair), detailsCard(await setSource(pair, storage()))]);
    for (const adapter of [first, second]) {
      expect(told).not.toContain(adapter.id.slice(0, 6));
      expect(told).not.toContain(adapter.blobHash);
    }
    expect((await shown(pair)).buttons!.map(({ label }) => label)).toEqual(['Delete']);
    // A button that is not shown can still be sent.
    const [picture] = await storage().records.pictures(pair.id);
    for (const verb of ['vary', 'upscale'])
      expect((await channel.press('bob', `${verb}:${picture!.id}`)).fields![0]!.value).toBe('DUEL_OPEN');
    expect((await channel.press('bob', `details:${pair.id}`)).fields![0]!.value).toBe('DUEL_OPEN');

    const { files } = await channel.say('ann', '/krona privacy export');
    const data = Buffer.from(await storage().blobs.get(files![0]!.blobHash)).toString();
    expect(JSON.parse(data)).toMatchObject({ duels: [{ prompts: duel.prompts, state: 'open' }] });
    expect(data).not.toContain('swapped');
    expect(data).not.toContain(`"seed": ${pair.seed}`);

    const ended = await won(channel, await again(duel));
    expect(ended.state).toBe('decided');
    expect(ended.trials).toHaveLength(8);
    const names = [name(first), name(second)];
    const [left, right] = ended.swapped[0] ? names.toReversed() : names;
    expect((await shown(pair)).fields![0]).toEqual({ name: 'drawn by', value: `1: ${left} · 2: ${right}` });
    const result = await verdict(ended);
    expect(result.title).toBe(`${name(first)} won the duel`);
    expect(result.text![0]).toMatch(/won 8 of 8 pairs: 100% \(95% interval: 5\d% to 100%\)/);
    expect(result.pictures).toHaveLength(4);
    expect(result.buttons!.map(({ action }) => action)).toEqual([`champion:${first.id}`]);
    // It shows no picture that was deleted.
    const stale = async () =>
      (await storage().records.stalePosts('web', 10_000)).filter(
        ({ kind, targetId }) => kind === 'verdict' && targetId === duel.id,
      );
    const { revision } = (await storage().records.duel(duel.id))!;
    for (const { id } of await stale()) await storage().records.markPost(id, 'a message', revision);
    expect(await stale()).toEqual([]);
    await channel.press('ann', `delete:${pair.id}`);
    expect(await stale()).toHaveLength(1);
    expect((await verdict(ended)).pictures).toHaveLength(3);
    // It compares; it changes nothing.
    expect((await storage().records.subject(duel.subjectId))!.championId).toBe(second.id);
  });

  it("closes a pair at three members' votes: take-backs count until then, later votes and the asker's don't", async () => {
    const channel = room();
    const { duel } = await opened(channel);
    const [one, other] = await drawn(channel, duel);
    // The asker, a member who wants both, and one who changes their mind.
    await vote(channel, 'ann', duel, one!);
    await vote(channel, 'eve', duel, one!, true);
    await vote(channel, 'eve', duel, one!, false);
    await vote(channel, 'bob', duel, one!);
    await vote(channel, 'bob', duel, one!, true, false);
    await vote(channel, 'bob', duel, one!, false);
    await vote(channel, 'cid', duel, one!);
    expect((await again(duel)).trials).toEqual([]);
    await vote(channel, 'dee', duel, one!, false);
    const closed = (await again(duel)).trials;
    expect(closed).toEqual([{ place: 0, winner: 'second', votes: { first: 1, second: 2 } }]);
    expect((await shown(one!)).text!.join()).toContain('This pair is closed');
    expect((await shown(other!)).text!.join()).toContain('Which is better?');
    await vote(channel, 'dee', duel, one!, false, false);
    for (const late of ['fay', 'gus']) await vote(channel, late, duel, one!);
    expect((await again(duel)).trials).toEqual(closed);
    expect((await storage().records.setsOfDuel(duel.id)).map(({ duelPlace }) => duelPlace)).toEqual([
      0, 1, 2,
    ]);
    // What members say in a duel chooses no champion by the way.
    const subject = (await storage().records.subject(duel.subjectId))!;
    expect(subject.championId).toBe(duel.secondId);
  });

  it('counts no vote that was taken back after the clock was set back', async () => {
    const channel = room();
    const { duel } = await opened(channel);
    const [pair] = await drawn(channel, duel);
    for (const member of ['bob', 'cid']) await vote(channel, member, duel, pair!);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - 3_600_000 });
    try {
      await vote(channel, 'bob', duel, pair!, true, false);
      await vote(channel, 'dee', duel, pair!);
      expect((await again(duel)).trials).toEqual([]);
      await vote(channel, 'bob', duel, pair!);
      expect((await again(duel)).trials).toHaveLength(1);
    } finally {
      vi.useRealTimers();
    }
  });

  it('leaves out pairs whose pictures were deleted or held back, and goes on', async () => {
    const channel = room();
    const { duel, first, second } = await opened(channel);
    const [gone, held] = await openSets(duel);
    await storage().records.deleteSet(gone!.id, 'By Ann.');
    // Of the two, the left one was held back.
    const right = duel.swapped[held!.duelPlace!] ? first : second;
    const picture = { index: 0, blobHash: right.blobHash, width: 128, height: 128, seed: 1 };
    await storage().records.addPicture({
      ...picture,
      id: crypto.randomUUID(),
      setId: held!.id,
      adapterId: right.id,
    });
    await storage().records.updateSet(held!.id, { state: 'done', endedAt: new Date() });
    const { trials, posted } = await again(duel);
    expect(trials.map(({ place, winner }) => [place, winner])).toEqual([
      [0, null],
      [1, null],
    ]);
    expect(posted).toBe(4);
    // Without an end, all pairs would follow at once.
    const [next] = await openSets(duel);
    await channel.say('ann', `/krona queue cancel work:${next!.id.slice(0, 8)}`);
    expect((await again(duel)).state).toBe('stopped');
    expect((await verdict(duel)).text![0]).toContain('3 pairs one after the other lost a picture');
    expect((await shown(held!)).fields![0]).toEqual({ name: 'drawn by', value: `1: ${name(right)}` });
  });

  it('has its open pairs read again after a restart, however many messages are newer', async () => {
    const channel = room();
    const { records } = storage();
    const { duel } = await opened(channel);
    const [pair] = await drawn(channel, duel);
    const { follows } = await channel.say('ann', '/krona imagine a fox');
    const [old, newer] = [await records.postOf(pair!.id), await records.postOf(follows!.id)];
    await records.markPost(old!.id, 'old', 1);
    await records.markPost(newer!.id, 'newer', 1);
    const first = async () => (await records.recentPosts('web', 1))[0]!.id;
    expect(await first()).toBe(old!.id);
    for (const member of ['bob', 'cid', 'dee']) await vote(channel, member, duel, pair!);
    await again(duel);
    expect(await first()).toBe(newer!.id);
  });

  it('stops with a clear word when an adapter is deleted, or belongs to another model', async () => {
    const channel = room();
    const { duel, first } = await opened(channel);
    await channel.say('ann', `/krona adapters delete ${name(first)}`);
    const stopped = await again(duel);
    expect(stopped.state).toBe('stopped');
    expect((await verdict(stopped)).text![0]).toContain('One of its adapters was deleted.');
    expect((await storage().records.setsOfDuel(duel.id)).map(({ state }) => state)).toEqual([
      'cancelled',
      'cancelled',
    ]);

    const other = room();
    const next = await opened(other);
    const [set] = await openSets(next.duel);
    const failure = {
      code: 'ADAPTER_OTHER_BASE',
      message: 'The adapter of mochi was trained on another model.',
    };
    await storage().records.updateSet(set!.id, { state: 'failed', failure, endedAt: new Date() });
    const failed = await again(next.duel);
    expect((await verdict(failed)).text![0]).toContain('trained on another model');
  });

  it('ends without a decision when nobody votes in time', async () => {
    const channel = room();
    const [first, second] = await channel.trained('mochi', 'cat', [100, 200]);
    const by = await channel.actor('ann');
    const subject = (await storage().records.subject(first!.subjectId))!;
    const duel = await storage().records.transaction((records) =>
      openDuel(records, by, { subject, first: first!, second: second! }),
    );
    const late = { ...duel, id: crypto.randomUUID(), endsAt: new Date(Date.now() - 1000) };
    await storage().records.addDuel(late);
    expect(await storage().records.duelsToLookAt()).toContain(late.id);
    const ended = await again(late);
    expect(ended.state).toBe('undecided');
    expect((await verdict(ended)).text!.join(' ')).toMatch(
      /7 days are over\. No pair had enough votes\. Neither/,
    );
  });

  it('is cancelled by its asker or a moderator only, and refuses what it cannot compare', async () => {
    const channel = room();
    const { duel, first } = await opened(channel);
    expect((await channel.press('bob', `cancel:${duel.id}`)).fields![0]!.value).toBe('NOT_ALLOWED');
    expect(await channel.refusal('bob', `/krona duel ${name(first)}`)).toMatch(/^DUEL_OPEN/);
    expect((await channel.press('ann', `cancel:${duel.id}`)).text![0]).toContain('This duel is cancelled');
    expect((await verdict(duel)).text![0]).toContain('ann cancelled it.');
    expect((await again(duel)).state).toBe('cancelled');

    expect(await channel.refusal('ann', '/krona duel mochi mochi')).toMatch(/^DUEL_SAME/);
    expect(await channel.refusal('ann', '/krona duel mochi-1-abcdef')).toMatch(/^ADAPTER_UNKNOWN/);
    const [tama] = await channel.trained('tama', 'cat', [100]);
    expect(await channel.refusal('ann', `/krona duel mochi ${adapterName({ name: 'tama' }, tama!)}`)).toMatch(
      /^ADAPTER_OF_OTHER/,
    );
    expect(await channel.refusal('ann', `/krona duel ${name(first)} pairs:7`)).toMatch(/^OPTION_INVALID/);
  });

  it('stands in the queue, where its asker can cancel it', async () => {
    const channel = room();
    const { duel } = await opened(channel);
    const { rows } = (await channel.say('bob', '/krona queue show')).table!;
    const id = duel.id.slice(0, 8);
    expect(rows).toContainEqual([id, 'duel of mochi', 'ann', '0 of at most 30 pairs closed']);
    expect(await channel.refusal('bob', `/krona queue cancel work:${id}`)).toMatch(/^NOT_ALLOWED/);
    await channel.say('ann', `/krona queue cancel work:${id}`);
    expect((await again(duel)).state).toBe('cancelled');
  });

  /** A refinement that is done, of the champion of 200 steps. */
  async function refined(channel: Room) {
    const [, champion] = await channel.trained('mochi', 'cat', [100, 200]);
    const before = (await storage().records.run(champion!.runId))!;
    const run = await storage().records.addRun({
      ...before,
      id: crypto.randomUUID(),
      state: 'queued',
      refinement: { from: champion!.id, votes: { pairs: 12, members: 3 }, kept: null },
    });
    const [result] = await channel.finishRun(run);
    return { champion: champion!, run, result: result! };
  }
  const championOf = async ({ subjectId }: Pick<Duel, 'subjectId'>) =>
    (await storage().records.subject(subjectId))!.championId;

  it('crowns a refinement only when it wins, and the channel can go back', async () => {
    const channel = room();
    const { champion, run, result } = await refined(channel);
    expect(await storage().records.runsToJudge()).toContain(run.id);
    await judgeRun(storage().records, run.id);
    await judgeRun(storage().records, run.id);
    expect(await storage().records.runsToJudge()).not.toContain(run.id);
    const duel = await again((await storage().records.duelOfRun(run.id))!);
    expect([duel.firstId, duel.secondId]).toEqual([result.id, champion.id]);
    expect(await championOf(duel)).toBe(champion.id);
    const ended = await won(channel, duel);
    expect(await championOf(duel)).toBe(result.id);
    expect((await verdict(ended)).title).toBe(
      `${name(result)} won the duel and is the new champion of mochi`,
    );
    await channel.say('ann', '/krona adapters rollback mochi');
    expect(await championOf(duel)).toBe(champion.id);
  });

  it('keeps a refinement as an adapter when it loses, or when the champion changed during the duel', async () => {
    const losing = room();
    const { champion, run, result } = await refined(losing);
    await judgeRun(storage().records, run.id);
    const duel = await again((await storage().records.duelOfRun(run.id))!);
    const lost = await won(losing, duel, false);
    expect(await championOf(duel)).toBe(champion.id);
    expect((await verdict(lost)).text!.join(' ')).toContain(`${name(result)} is kept as an adapter`);

    const changing = room();
    const other = await refined(changing);
    await judgeRun(storage().records, other.run.id);
    const second = await again((await storage().records.duelOfRun(other.run.id))!);
    const early = (await storage().records.adapters(second.channelId)).find(({ step, runId }) => {
      return step === 100 && runId === other.champion.runId;
    })!;
    await changing.say('ann', `/krona adapters champion ${name(early)}`);
    const ended = await won(changing, second);
    expect(await championOf(second)).toBe(early.id);
    expect((await verdict(ended)).text![0]).toContain('The champion changed during the duel');
  });

  it('goes with its subject', async () => {
    const channel = room();
    const { duel } = await opened(channel);
    await storage().records.deleteSubject(duel.subjectId, 'By Ann.');
    expect(await storage().records.duel(duel.id)).toBeNull();
    await advanceDuel(storage().records, duel.id);
    expect((await loadCard('duel', duel.id, storage())).title).toBe('This duel was deleted');
  });
}
