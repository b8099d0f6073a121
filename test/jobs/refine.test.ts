import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Run } from '../../core/records.ts';
import type { Worker } from '../../gpu-worker/main.ts';
import { until } from '../helpers/until.ts';
import { openWorkshop, type Workshop } from './workshop.ts';

let shop: Workshop;
let worker: Worker;
beforeAll(async () => {
  shop = await openWorkshop();
  worker = await shop.startWorker();
}, 120_000);
afterAll(async () => {
  await worker?.stop();
  await shop?.close();
});

const ended = ({ id }: Run): Promise<Run> =>
  until(async () => {
    const run = await shop.storage.records.run(id);
    return run && run.state !== 'queued' && run.state !== 'running' ? run : undefined;
  }, 'the end of a run');

const drawn = (id: string) =>
  until(async () => {
    const set = await shop.storage.records.set(id);
    return set?.endedAt ? set : undefined;
  }, 'drawn pictures');

it('refines a champion with pairs of pictures, leaves out deleted ones, and crowns nothing', async () => {
  const { records } = shop.storage;
  expect((await ended(await shop.train({ steps: 20 }))).state).toBe('done');
  const champion = (await records.subject(shop.subject.id))!.championId!;
  const of = { subjectId: shop.subject.id, adapterId: champion, prompt: 'mochi at sea', count: 3 };
  const [kept, gone] = [await shop.imagine(of), await shop.imagine({ ...of, seed: 99, count: 2 })];
  expect([(await drawn(kept.id)).state, (await drawn(gone.id)).state]).toEqual(['done', 'done']);
  const [a, b, c] = (await records.pictures(kept.id)).map(({ id }) => id);
  const [d, e] = (await records.pictures(gone.id)).map(({ id }) => id);
  await records.deleteSet(gone.id, 'By Ada.');

  const run = await shop.train(
    { steps: 20 },
    {
      refinement: {
        from: champion,
        pairs: [
          { setId: kept.id, winner: a!, loser: b!, weight: 2 },
          { setId: kept.id, winner: a!, loser: c!, weight: 1 },
          { setId: gone.id, winner: d!, loser: e!, weight: 1 },
        ],
        examples: [{ picture: a!, weight: 3 }],
        members: 3,
        kept: null,
      },
    },
  );
  const refined = await ended(run);
  expect(refined).toMatchObject({ state: 'done', failure: null });
  expect(refined.preference.at(-1)!.step).toBe(20);
  for (const { accuracy, loss } of refined.preference) {
    expect(accuracy).toBeGreaterThanOrEqual(0);
    expect(accuracy).toBeLessThanOrEqual(1);
    expect(loss).toBeGreaterThan(0);
  }
  expect((await shop.adaptersOf(run)).at(-1)!.final).toBe(true);
  expect((await records.subject(shop.subject.id))!.championId).toBe(champion);
  // Its pictures are those of the duel that follows: finals would let ordinary votes choose it.
  expect((await records.setsOfRun(run.id)).map(({ kind }) => kind)).not.toContain('finals');
  expect(await records.runsToJudge()).toEqual([run.id]);

  const lost = await shop.train(
    { steps: 20 },
    { refinement: { ...refined.refinement!, pairs: [{ setId: gone.id, winner: d!, loser: e!, weight: 1 }] } },
  );
  expect((await ended(lost)).failure!.code).toBe('PICTURES_GONE');
}, 300_000);

it('draws a pair of a duel: one picture of each adapter, from the same seed, in the order of the record', async () => {
  const { records } = shop.storage;
  const run = await ended(await shop.train({ steps: 40 }));
  const [early, last] = await shop.adaptersOf(run);
  const duel = await records.addDuel({
    id: crypto.randomUUID(),
    channelId: run.channelId,
    subjectId: run.subjectId,
    memberId: run.memberId,
    firstId: early!.id,
    secondId: last!.id,
    runId: null,
    prompts: ['mochi at sea', 'mochi at sea'],
    swapped: [false, true],
    seed: 5,
    settings: run.settings,
    endsAt: new Date(Date.now() + 1e6),
  });
  const pictures = [];
  for (const duelPlace of [0, 1]) {
    const of = { kind: 'duel', duelId: duel.id, duelPlace, subjectId: run.subjectId, count: 2 } as const;
    const set = await shop.imagine({ ...of, prompt: 'mochi at sea', seed: 5 });
    expect((await drawn(set.id)).state).toBe('done');
    pictures.push(await records.pictures(set.id));
  }
  const [straight, turned] = pictures;
  expect(straight!.map(({ adapterId, seed }) => [adapterId, seed])).toEqual([
    [early!.id, 5],
    [last!.id, 5],
  ]);
  expect(turned!.map(({ blobHash }) => blobHash)).toEqual(
    straight!.map(({ blobHash }) => blobHash).toReversed(),
  );
  expect(straight![0]!.blobHash).not.toBe(straight![1]!.blobHash);
}, 300_000);
