/** @file The safety check in the worker: real pictures, really classified, under rules that make some of them unsafe. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Worker } from '../../gpu-worker/main.ts';
import type { Picture, PictureSet } from '../../core/records.ts';
import { defaultRules, type ChannelRules } from '../../core/rules.ts';
import { until } from '../helpers/until.ts';
import { openWorkshop, type Workshop } from './workshop.ts';

let shop: Workshop;
let worker: Worker;

beforeAll(async () => {
  shop = await openWorkshop();
  worker = await shop.startWorker();
});
afterAll(async () => {
  await worker?.stop();
  await shop?.close();
});

const rule = (change: Partial<ChannelRules>) =>
  shop.storage.records.saveRules(shop.subject.channelId, { ...defaultRules('web'), ...change });

async function drawn(set: PictureSet): Promise<{ pictures: Picture[]; places: number[] }> {
  const { records } = shop.storage;
  const { state } = await until(async () => {
    const now = (await records.set(set.id))!;
    return now.state !== 'queued' && now.state !== 'running' && now;
  });
  expect(state).toBe('done');
  const held = await records.heldPictures(set.id);
  return { pictures: await records.pictures(set.id), places: held.map(({ place }) => place) };
}

async function blobCount(): Promise<number> {
  let count = 0;
  for await (const _ of shop.storage.blobs.putBefore(new Date(Date.now() + 1000))) count += 1;
  return count;
}

it('checks nothing with a small model, unless a moderator says so', async () => {
  const { pictures } = await drawn(await shop.imagine({ count: 2 }));
  expect(pictures.map(({ unsafe, sensitive }) => [unsafe, sensitive])).toEqual([
    [null, false],
    [null, false],
  ]);
});

it('blocks or hides pictures above the rule’s certainty; a blocked picture is stored nowhere', async () => {
  await rule({ safety: 'spoiler', safetyPercent: 0 });
  const { pictures: hidden, places } = await drawn(await shop.imagine({ count: 4 }));
  expect(places).toEqual([]);
  expect(hidden.map(({ sensitive }) => sensitive)).toEqual([true, true, true, true]);

  // A certainty that parts the four, as they are: the same seeds give the same pictures.
  const scores = hidden.map(({ unsafe }) => unsafe!);
  const sorted = scores.toSorted((a, b) => a - b);
  const between = (sorted[1]! + sorted[2]!) / 2;
  const above = [0, 1, 2, 3].filter((place) => scores[place]! > between);
  expect(above).toHaveLength(2);
  const below = hidden.filter((_, place) => !above.includes(place));

  await rule({ safety: 'spoiler', safetyPercent: 100 * between });
  const parted = await drawn(await shop.imagine({ count: 4 }));
  expect(parted.pictures.flatMap(({ index, sensitive }) => (sensitive ? [index] : []))).toEqual(above);

  await rule({ safety: 'block', safetyPercent: 100 * between });
  const rest = await drawn(await shop.imagine({ count: 4 }));
  expect(rest.places).toEqual(above);
  expect(rest.pictures.map(({ index, sensitive }) => [index, sensitive])).toEqual([
    [0, false],
    [1, false],
  ]);
  expect(rest.pictures.map(({ seed, blobHash }) => [seed, blobHash])).toEqual(
    below.map(({ seed, blobHash }) => [seed, blobHash]),
  );

  // Another seed, so that its pictures have never been stored.
  await rule({ safety: 'block', safetyPercent: 0 });
  const before = await blobCount();
  const none = await drawn(await shop.imagine({ count: 4, seed: 500 }));
  expect(none).toEqual({ pictures: [], places: [0, 1, 2, 3] });
  expect(await blobCount()).toBe(before);
});

it('continues after the pictures that an earlier attempt showed or blocked', async () => {
  const { records, jobs } = shop.storage;
  await rule({ safety: 'block', safetyPercent: 100 });
  const set = await shop.imagine({ count: 3, seed: 40 }, { enqueue: false });
  await records.holdPicture({ setId: set.id, place: 0, unsafe: 0.9 });
  await jobs.enqueue('imagine', set.id, { setId: set.id });
  const { pictures, places } = await drawn(set);
  expect(places).toEqual([0]);
  expect(pictures.map(({ index, seed }) => [index, seed])).toEqual([
    [0, 41],
    [1, 42],
  ]);
});

it('checks upscaled pictures, variations, and all pictures of a run', async () => {
  const { records } = shop.storage;
  await rule({ safety: 'spoiler', safetyPercent: 0 });
  const first = await drawn(await shop.imagine({ id: randomUUID() }));
  const again = await shop.imagine({ kind: 'upscale', upscaleOf: first.pictures[0]!.id });
  const varied = await shop.imagine({ variationOf: first.pictures[0]!.id });
  for (const set of [again, varied])
    expect((await drawn(set)).pictures.map(({ sensitive }) => sensitive)).toEqual([true]);

  const run = await shop.train({ steps: 20 });
  await until(async () => (await records.run(run.id))!.state === 'done');
  const sets = await records.setsOfRun(run.id);
  expect(sets.map(({ kind }) => kind)).toContain('finals');
  for (const set of sets) {
    const pictures = await records.pictures(set.id);
    expect(pictures.length).toBeGreaterThan(0);
    for (const { sensitive } of pictures) expect(sensitive).toBe(true);
  }
});
