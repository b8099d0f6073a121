/** Refinements and pairs of duels in the worker, with its engine process, the embedded storage and the tiny model. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { Worker } from '../../gpu-worker/main.ts';
import type { PictureSet, Refinement, Run } from '../../core/records.ts';
import { until } from '../helpers/until.ts';
import { openWorkshop, type Workshop } from './workshop.ts';

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

const NAMES = ['bob', 'cid', 'dan'];

let shop: Workshop;
let worker: Worker | null = null;
let championId: string;
const sets: PictureSet[] = [];

const runNow = async ({ id }: Run): Promise<Run> => (await shop.storage.records.run(id))!;
const ended = (run: Run) =>
  until(async () => {
    const now = await runNow(run);
    return now.state !== 'queued' && now.state !== 'running' && now;
  });
const finalOf = async (run: Run) => (await shop.adaptersOf(run)).find(({ final }) => final)!.blobHash;
const champion = async () => (await shop.storage.records.subject(shop.subject.id))!.championId;

async function vote(set: PictureSet, place: number, added = true): Promise<void> {
  const { records } = shop.storage;
  const pictures = await records.pictures(set.id);
  for (const name of NAMES) {
    const { id: memberId } = await records.member('web', name, name);
    await records.addVote({ pictureId: pictures[place]!.id, memberId, emoji: '👍', added });
  }
}

function refine(change: Partial<Refinement> = {}, steps = 12): Promise<Run> {
  return shop.train(
    { steps, lr: 1e-3 },
    { refinement: { from: championId, votes: { pairs: 0, members: 0 }, kept: null, ...change } },
  );
}

beforeAll(async () => {
  shop = await openWorkshop();
  worker = await shop.startWorker();
  await ended(await shop.train({ steps: 20 }));
  championId = (await champion())!;
  for (let n = 0; n < 4; n++)
    sets.push(
      await shop.imagine({
        prompt: 'Mochi asleep',
        subjectId: shop.subject.id,
        adapterId: championId,
        count: 4,
        seed: 10 * n,
      }),
    );
  for (const [n, set] of sets.entries()) {
    await until(async () => (await shop.storage.records.set(set.id))!.state === 'done');
    await vote(set, n);
  }
});
afterAll(async () => {
  await worker?.stop();
  await shop?.close();
});

it('goes on from the champion with the pairs that stand, and leaves the champion as it is', async () => {
  const run = await ended(await refine());
  expect(run.failure).toBeNull();
  expect(run.refinement!.votes).toEqual({ pairs: 12, members: 3 });
  expect(run.preference.at(-1)!.step).toBe(12);
  for (const { accuracy } of run.preference) expect(Math.abs(accuracy - 0.5)).toBeLessThanOrEqual(0.5);
  expect(run.losses.at(-1)!.step).toBe(12);
  expect(await champion()).toBe(championId);
  const kinds = (await shop.storage.records.setsOfRun(run.id)).map(({ kind }) => kind);
  expect(kinds).not.toContain('finals');
  await until(async () => (await readdir(join(shop.config.dataFolder, 'runs'))).length === 0);
});

it('resumes after a stop with the votes of its start, to the same file', async () => {
  const plain = await ended(await refine({}, 40));
  const run = await refine({}, 40);
  await until(async () => {
    const { progress } = await runNow(run);
    return progress?.phase === 'training' && progress.step >= 3;
  });
  await worker?.stop();
  worker = null;
  await vote(sets[0]!, 0, false);
  await vote(sets[0]!, 1);
  worker = await shop.startWorker();
  expect((await ended(run)).state).toBe('done');
  expect(await finalOf(run)).toBe(await finalOf(plain));
  expect((await runNow(run)).preference).toEqual((await runNow(plain)).preference);
});

it('refuses to start when the champion has changed, or too many votes were taken back', async () => {
  const [other] = await shop.adaptersOf(await ended(await refine()));
  const stale = await refine({ from: other!.id });
  expect((await ended(stale)).failure!.code).toBe('CHAMPION_CHANGED');
  for (const set of sets) await shop.storage.records.deleteSet(set.id, 'By Ada.');
  expect((await ended(await refine())).failure!.code).toBe('VOTES_TOO_FEW');
});

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
    await until(async () => (await records.set(set.id))!.state === 'done');
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
  // Whoever has the seed can draw the pair again by name.
  const file = Buffer.from(await shop.storage.blobs.get(straight![0]!.blobHash)).toString('latin1');
  expect(file).not.toContain('Seed');
});
