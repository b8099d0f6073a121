import { expect, it } from 'vitest';
import { loadCard } from '../../commands/cards/load-card.ts';
import { advanceDuel } from '../../commands/votes/advance-duel.ts';
import { judgeRun } from '../../commands/votes/judge-run.ts';
import { adapterName } from '../../commands/subjects/subjects.ts';
import type { Adapter, Duel, Run } from '../../core/records.ts';
import { cellName } from '../../core/sweep-plan.ts';
import type { Storage } from '../../storage/open.ts';
import { MODEL, photo, Room } from './helpers.ts';

/** The only button of the question, which starts the sweep. */
const START = /^sweep:[0-9a-f]{64}$/;

export function sweepSuite(storage: () => Storage): void {
  const runNow = async ({ id }: Run): Promise<Run> => (await storage().records.run(id))!;

  /** A channel with a subject of three photos. */
  async function room(photos = 3): Promise<Room> {
    const channel = new Room(storage());
    const files = [];
    for (let n = 0; n < photos; n++) files.push(await photo(n + 1));
    await channel.say('ann', '/krona photos add subject:mochi class:cat', files);
    return channel;
  }
  /** Ann's sweep of four cells, started. */
  async function started(channel: Room, more = 'a1:2,4 a2:8,16'): Promise<Run> {
    const asked = await channel.say('ann', `/krona sweep mochi ${more}`);
    return channel.run(await channel.press('ann', asked.buttons![0]!.action));
  }
  /** What the worker leaves: scores, the sheet and the adapters of the given cells. */
  async function finished(channel: Room, run: Run, finalists = [3, 0]): Promise<Adapter[]> {
    const { records, blobs } = storage();
    const { cells } = run.sweep!;
    const adapters: Adapter[] = [];
    for (const place of finalists) {
      const { a1, a2, lr } = cells[place]!;
      const { hash, size } = await blobs.put(Buffer.from(`${run.id} ${place}`));
      const { id: runId, subjectId, channelId } = run;
      const of = { runId, subjectId, channelId, blobHash: hash, size, step: 200, final: true };
      await records.addAdapter({ id: crypto.randomUUID(), ...of, settings: { ...run.settings, a1, a2, lr } });
      adapters.push(
        (await records.adapters(channelId)).find(
          ({ settings }) => cellName(settings) === cellName(cells[place]!),
        )!,
      );
    }
    const score = (n: number) => ({ step: 100, fidelity: 0.5, alignment: 0.5, score: 0.4 + n / 100 });
    await records.updateRun(run.id, {
      state: 'done',
      startedAt: new Date(0),
      endedAt: new Date(75_000),
      sweep: {
        ...run.sweep!,
        cells: cells.map((cell, n) => ({ ...cell, score: score(n) })),
        finalists: adapters.map(({ id }) => id),
      },
    });
    return adapters;
  }
  /** The sweep's duel, won by the second finalist with every vote. */
  async function dueled(channel: Room, run: Run): Promise<Duel> {
    const { records } = storage();
    await judgeRun(records, run.id);
    const { id } = (await records.duelOfRun(run.id))!;
    await advanceDuel(records, id);
    for (let duel = (await records.duel(id))!; duel.state === 'open'; duel = (await records.duel(id))!) {
      for (const set of await records.setsOfDuel(id)) {
        if (set.state !== 'queued') continue;
        const ids = [duel.firstId, duel.secondId];
        const turned = duel.swapped[set.duelPlace!] === true;
        await channel.finishSet(set, turned ? ids.toReversed() : ids);
        for (const member of ['bob', 'cid', 'dee'])
          await channel.react(member, set, null, turned ? '1️⃣' : '2️⃣');
      }
      await advanceDuel(records, id);
    }
    return (await records.duel(id))!;
  }

  it('tells what a sweep takes before it starts, and starts it only when asked to', async () => {
    const channel = await room();
    const before = {
      ...MODEL,
      computer: { device: 'cpu', check: null, drawnStep: 0.1, trainedStep: 0.5 } as const,
    };
    await storage().records.saveModelCard(before);
    const asked = await channel.say('ann', '/krona sweep mochi a1:2,4,8 a2:8,16 lr:1e-3,2e-3 steps:200');
    await storage().records.saveModelCard(MODEL);
    expect(asked).toMatchObject({ title: 'Start a sweep of mochi?', audience: 'caller' });
    expect(asked.text![0]).toMatch(
      /about \*\*\d+ min\*\* \(measured on trainings here\).* counts as 4 trainings\./,
    );
    expect(asked.text![1]).toContain(
      '12 cells for 25 steps each, the best 6 up to 50, the best 3 up to 100, the best 2 up to 200.',
    );
    const { records } = storage();
    const here = (await channel.actor('ann')).channel.id;
    expect((await records.openWork(here)).runs).toEqual([]);
    const [start] = asked.buttons!;
    expect(start!.action).toMatch(START);
    // The question is Ann's, in this channel.
    expect((await channel.press('bob', start!.action)).fields![0]!.value).toBe('GONE');
    const card = await channel.press('ann', start!.action);
    expect(card.title).toBe('Sweep of mochi is queued');
    const run = await channel.run(card);
    expect(run.sweep!.cells).toHaveLength(12);
    expect(run.settings).toMatchObject({ method: 'krona', steps: 200, keep: 'last' });
    expect((await records.usage(here, 'channel', 'train', 60_000)).map(({ amount }) => amount)).toEqual([4]);
    expect((await channel.press('ann', start!.action)).fields![0]!.value).toBe('SUBJECT_BUSY');
    expect(await records.outboxJobs(1000)).toContainEqual(
      expect.objectContaining({ id: run.id, kind: 'sweep', payload: { runId: run.id } }),
    );
  });

  it('reads no other file than its own question', async () => {
    const channel = await room();
    const asked = await channel.say('ann', '/krona sweep mochi a1:2,4');
    const { blobs } = storage();
    const question = await blobs.get(asked.buttons![0]!.action.slice('sweep:'.length));
    // An adapter has megabytes, and whoever saw its link knows its name.
    const { hash } = await blobs.put(Buffer.concat([question, Buffer.alloc(10_000, ' ')]));
    for (const forged of [hash, hash.toUpperCase(), '../secret', '0'.repeat(64)])
      expect((await channel.press('ann', `sweep:${forged}`)).fields![0]!.value).toBe('GONE');
  });

  it('its sheet is no picture to draw from', async () => {
    const channel = await room();
    const run = await started(channel);
    await finished(channel, run);
    const { records } = storage();
    const { id: runId, channelId, memberId, subjectId, seed, settings } = run;
    const of = {
      channelId,
      memberId,
      subjectId,
      seed,
      settings,
      runId,
      kind: 'samples',
      prompt: 'a mochi',
    } as const;
    const none = { negative: null, adapterId: null, count: 1, strength: 1, state: 'done' } as const;
    const { id: setId } = await records.addSet({ id: crypto.randomUUID(), ...of, ...none });
    const id = crypto.randomUUID();
    const { hash: blobHash } = await storage().blobs.put(Buffer.from('a sheet'));
    await records.addPicture({
      id,
      setId,
      index: 0,
      seed,
      adapterId: null,
      blobHash,
      width: 3400,
      height: 300,
    });
    for (const forged of [`upscale:${id}`, `vary:${id}`, `emoji:${id}`, `again:${setId}`, `delete:${setId}`])
      expect((await channel.press('ann', forged)).fields![0]!.value, forged).toBe('ACTION_UNKNOWN');
    expect((await channel.press('ann', `reveal:${id}`)).pictures).toHaveLength(1);
  });

  it('guesses the time where nothing was measured, and says so', async () => {
    const asked = await (await room()).say('ann', '/krona sweep mochi a1:2,4');
    expect(asked.text![0]).toContain('(a guess, as nothing was trained here yet)');
  });

  it('says what does not fit before anything runs', async () => {
    const channel = await room(2);
    expect(await channel.refusal('ann', '/krona sweep tama a1:2,4')).toMatch(/^SUBJECT_UNKNOWN/);
    expect(await channel.refusal('ann', '/krona sweep mochi a1:2,4')).toMatch(
      /^PHOTOS_TOO_FEW: .*at least 3 of mochi; there are 2\./,
    );
    await channel.say('ann', '/krona photos add subject:mochi', [await photo(8)]);
    const refusals: [string, RegExp][] = [
      ['a1:2,3 a2:8', /^FACTORS_UNFIT: 3×8, lr \S+: a1=3 does not divide 1280/],
      ['a1:2', /^SWEEP_SIZE: .*this one has 1\./],
      ['a1:2,4,5,8,10 a2:2,4,8,16', /^SWEEP_SIZE: .*2 to 16 cells.*this one has 20\./],
      ['a1:2,4 steps:5000 lr:1e-3,2e-3,3e-3,4e-3,5e-3', /^SWEEP_TOO_LONG: .*at most 12 h.*10 cells/],
      ['a1:2,two', /^OPTION_INVALID/],
      ['lr:1e-3,auto', /^OPTION_INVALID/],
      ['a1:2,,4', /^OPTION_/],
    ];
    const slow = { device: 'cpu', check: null, drawnStep: 1, trainedStep: 8 } as const;
    await storage().records.saveModelCard({ ...MODEL, computer: slow });
    for (const [options, told] of refusals)
      expect(await channel.refusal('ann', `/krona sweep mochi ${options}`)).toMatch(told);
    await storage().records.saveModelCard(MODEL);
    await channel.say('ann', '/krona settings train lr_schedule:cosine');
    expect(await channel.refusal('ann', '/krona sweep mochi a1:2,4')).toMatch(/^SWEEP_SCHEDULE/);
    await channel.say('ann', '/krona settings train lr_schedule:constant');
    await started(channel);
    expect(await channel.refusal('ann', '/krona sweep mochi a1:2,4')).toMatch(
      /^SUBJECT_BUSY: A sweep of mochi/,
    );
    expect(await channel.refusal('ann', '/krona train mochi')).toMatch(/^SUBJECT_BUSY: A sweep of mochi/);
  });

  it('counts a member’s quota by its steps', async () => {
    const channel = await room();
    channel.moderators.add('boss');
    await channel.say('boss', '/krona rules set member_trainings:2');
    expect(await channel.refusal('ann', '/krona sweep mochi a1:2,4 a2:8,16 lr:1e-3,2e-3 steps:200')).toMatch(
      /^QUOTA_EXCEEDED: .*2 trainings.*this request is for \d+/,
    );
    await channel.say('ann', '/krona sweep mochi a1:2,4');
  });

  it('cancels one cell, or all, for its asker only, and stands in the queue', async () => {
    const channel = await room();
    const run = await started(channel);
    const queue = await channel.say('bob', '/krona queue show');
    expect(queue.table!.rows.map(([, what, by]) => [what, by])).toEqual([['sweep mochi', 'ann']]);
    const cells = await channel.press('ann', `cells:${run.id}`);
    expect(cells.buttons!.map(({ label }) => label)[1]).toBe(`2×16 · ${run.settings.lr}`);
    const drop = cells.buttons![1]!.action;
    expect((await channel.press('bob', drop)).fields![0]!.value).toBe('NOT_ALLOWED');
    expect((await channel.press('ann', drop)).title).toMatch(/^Cancelled: 2×16/);
    expect((await channel.press('ann', drop)).fields![0]!.value).toBe('WORK_ENDED');
    expect((await runNow(run)).sweep!.cells.map(({ dropped }) => dropped)).toEqual([
      false,
      true,
      false,
      false,
    ]);
    expect((await loadCard('run', run.id, storage())).table!.rows[1]!.at(-1)).toBe('cancelled');
    await channel.press('ann', `drop:${run.id}.0`);
    expect((await channel.press('ann', `drop:${run.id}.2`)).fields![0]!.value).toBe('SWEEP_LAST');
    for (const other of [`drop:${run.id}.9`, `drop:${run.id}`, `drop:${crypto.randomUUID()}.0`])
      expect((await channel.press('ann', other)).fields![0]!.value).toBe('GONE');
    const now = (await runNow(run)).sweep!;
    await storage().records.updateRun(run.id, { sweep: { ...now, finalists: [crypto.randomUUID()] } });
    expect((await channel.press('ann', `drop:${run.id}.2`)).fields![0]!.value).toBe('WORK_ENDED');
    await channel.say('ann', '/krona queue cancel');
    expect((await loadCard('run', run.id, storage())).title).toBe('The sweep of mochi was cancelled');
    expect((await channel.press('ann', `drop:${run.id}.2`)).fields![0]!.value).toBe('WORK_ENDED');
  });

  it('lets votes choose between the two best: the winner’s settings are the channel’s, its adapter the champion', async () => {
    const channel = await room();
    const run = await started(channel);
    const [best, second] = await finished(channel, run);
    expect(await storage().records.runsToJudge()).toContain(run.id);
    const duel = await dueled(channel, run);
    expect(await storage().records.runsToJudge()).not.toContain(run.id);
    expect([duel.firstId, duel.secondId]).toEqual([best!.id, second!.id]);
    const name = adapterName({ name: 'mochi' }, second!);
    const verdict = await loadCard('verdict', duel.id, storage());
    expect(verdict.title).toBe(`${name} won the duel and is the new champion of mochi`);
    expect(verdict.text![0]).toMatch(
      new RegExp(`^${name} won 8 of 8 pairs: 100% \\(95% interval: 5\\d% to 100%\\)`),
    );
    const { a1, a2, lr } = second!.settings;
    expect(verdict.text!.join(' ')).toContain(
      `This channel now trains with \`a1\` ${a1}, \`a2\` ${a2} and \`lr\` ${lr}.`,
    );
    expect(verdict.pictures).toHaveLength(4);
    const { channel: here } = await channel.actor('ann');
    expect(here.settings).toMatchObject({ method: 'krona', a1, a2, lr });
    expect((await storage().records.subject(run.subjectId))!.championId).toBe(second!.id);
    const sheet = await loadCard('run', run.id, storage());
    expect(sheet.table!.rows.map((row) => row.at(-1))).toEqual([
      'finalist',
      '100 steps',
      '100 steps',
      'finalist',
    ]);
    // Their votes compare settings too.
    const top = await channel.say('bob', '/krona top what:settings');
    expect(top.table!.rows.map((row) => row[1])).toEqual([
      expect.stringContaining(`krona ${a1}×${a2}`) as string,
      expect.stringContaining('krona 4×16') as string,
    ]);
  });

  it("gives the winner's settings to its own model, where the channel has another one by then", async () => {
    const { records } = storage();
    const channel = await room();
    const run = await started(channel);
    const [, second] = await finished(channel, run);
    const { id } = (await channel.actor('ann')).channel;
    await records.saveModelCard({ ...MODEL, name: 'other' }, 'other');
    await records.chooseModel('other', { scope: 'channel', channelId: id });
    const before = (await records.channelById(id))!.settings;
    expect(before.a2).not.toBe(second!.settings.a2);
    await dueled(channel, run);
    expect((await records.channelById(id))!.settings).toEqual(before);
    expect((await records.channelById(id, 'default'))!.settings.a2).toBe(second!.settings.a2);
    await records.removeModel('other');
  });

  it('changes nothing without a decision, keeps a pinned champion, and compares no single cell', async () => {
    const cancelled = await room();
    const before = (await cancelled.actor('ann')).channel.settings;
    const run = await started(cancelled);
    await finished(cancelled, run);
    await judgeRun(storage().records, run.id);
    const duel = (await storage().records.duelOfRun(run.id))!;
    await cancelled.press('ann', `cancel:${duel.id}`);
    expect((await cancelled.actor('ann')).channel.settings).toEqual(before);
    const verdict = await loadCard('verdict', duel.id, storage());
    expect(verdict.text!.join(' ')).toContain('The settings of the channel stay');

    const pinned = await room();
    const other = await started(pinned);
    const [, second] = await finished(pinned, other);
    await storage().records.setChampion(other.subjectId, null, true);
    const decided = await dueled(pinned, other);
    expect((await storage().records.subject(other.subjectId))!.championId).toBeNull();
    expect((await pinned.actor('ann')).channel.settings.a2).toBe(second!.settings.a2);
    expect((await loadCard('verdict', decided.id, storage())).text![0]).toContain('The champion is pinned');

    const single = await room();
    const last = await started(single);
    await finished(single, last, [1]);
    await judgeRun(storage().records, last.id);
    expect((await runNow(last)).sweep!.kept).toBe('Only one cell was left.');
    const told = (await loadCard('run', last.id, storage())).text![0];
    expect(told).toContain('No duel decides: Only one cell was left.');
  });
}
