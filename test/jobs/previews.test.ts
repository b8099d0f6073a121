/** @file Previews in the worker: really drawn, shown while a set runs, and nowhere afterwards. */
import { once } from 'node:events';
import { fork, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { nodeOptions } from '../../core/own-program.ts';
import type { PictureSet, SetPreview } from '../../core/records.ts';
import { defaultRules } from '../../core/rules.ts';
import type { Worker } from '../../gpu-worker/main.ts';
import { until } from '../helpers/until.ts';
import { openWorkshop, SETTINGS, type Workshop } from './workshop.ts';

let shop: Workshop;
let worker: Worker;
/** Eight pictures of so many steps take longer than the pause between two previews, also on a fast machine. */
const slow = { ...SETTINGS, samplingSteps: 150 };

beforeAll(async () => {
  shop = await openWorkshop();
  worker = await shop.startWorker();
}, 120_000);
afterAll(async () => {
  await worker?.stop();
  await shop?.close();
});

const preview = (set: PictureSet): Promise<SetPreview> =>
  until(async () => (await shop.storage.records.preview(set.id)) ?? undefined, 'a preview');

/** What a set showed until it ended. */
async function shownOf(set: PictureSet): Promise<SetPreview[]> {
  const { records } = shop.storage;
  const shown: SetPreview[] = [];
  await until(async () => {
    const now = await records.preview(set.id);
    if (now !== null) shown.push(now);
    return (await records.set(set.id))!.state === 'done';
  });
  return shown;
}

async function blobCount(): Promise<number> {
  let count = 0;
  for await (const _ of shop.storage.blobs.putBefore(new Date(Date.now() + 1000))) count += 1;
  return count;
}

it('a set shows a small picture of what is being drawn, and only its pictures are kept', async () => {
  const { records } = shop.storage;
  const before = await blobCount();
  const set = await shop.imagine({ count: 8, settings: slow });
  const { place, image } = await preview(set);
  expect(place).toBe(0);
  expect(await sharp(image).metadata()).toMatchObject({ format: 'webp', width: 256, height: 256 });
  expect(image.length).toBeLessThan(20_000);
  await shownOf(set);
  expect(await records.preview(set.id)).toBeNull();
  expect(await records.pictures(set.id)).toHaveLength(8);
  expect(await blobCount()).toBe(before + 8);
}, 120_000);

it('nothing is shown where the rules can hold pictures back, or members want no previews', async () => {
  const { records } = shop.storage;
  const { channelId } = shop.subject;
  const none = await shop.imagine({ count: 4, settings: { ...slow, previews: false } });
  expect(await shownOf(none)).toEqual([]);
  await records.saveRules(channelId, { ...defaultRules('web'), safety: 'block', safetyPercent: 99 });
  const held = await shop.imagine({ count: 8, settings: slow });
  expect(await shownOf(held)).toEqual([]);
  // Hidden pictures: whatever the check finds too likely, as it does everything at 0%.
  await records.saveRules(channelId, { ...defaultRules('web'), safety: 'spoiler', safetyPercent: 0 });
  const hidden = await shop.imagine({ count: 8, settings: slow });
  expect(await shownOf(hidden)).toEqual([]);
  await records.saveRules(channelId, { ...defaultRules('web'), safety: 'spoiler', safetyPercent: 99 });
  const harmless = await shop.imagine({ count: 8, settings: slow });
  expect(await shownOf(harmless)).not.toEqual([]);
  await records.saveRules(channelId, defaultRules('web'));
}, 240_000);

it('after a kill, the next worker goes on, and nothing of a preview is left', async () => {
  const { records } = shop.storage;
  await worker.stop();
  const child = otherWorker();
  const set = await shop.imagine({ count: 8, settings: slow });
  await preview(set);
  child.kill('SIGKILL');
  await once(child, 'exit');
  worker = await shop.startWorker();
  await shownOf(set);
  expect(await records.preview(set.id)).toBeNull();
  expect(await records.pictures(set.id)).toHaveLength(8);
}, 240_000);

const otherWorker = (): ChildProcess =>
  fork(join(import.meta.dirname, 'worker-process.ts'), {
    execArgv: [...nodeOptions],
    env: { ...process.env, ...shop.environment },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
