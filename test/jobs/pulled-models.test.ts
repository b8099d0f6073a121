/** Folders of pulled models: several engines at once, and files that were there before. */
import { randomBytes } from 'node:crypto';
import { readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { exists } from '../../core/files.ts';
import type { WorkerContext } from '../../gpu-worker/jobs/context.ts';
import { contextOn, dropModel, sweepModels } from '../../gpu-worker/jobs/pulled-models.ts';
import { pullModel } from '../../gpu-worker/models/hub/pull.ts';
import { FakeHub } from '../helpers/fake-hub.ts';
import { openHouse, type TestHouse } from '../helpers/house.ts';
import { MODEL } from '../commands/helpers.ts';

const NAME = 'tiny';
const UNET = 'unet/diffusion_pytorch_model.safetensors';
const MARKER = '.krona-pull.json';
const conduct = { signal: new AbortController().signal, report: () => {}, advance: () => {} };

let hub: FakeHub;
let house: TestHouse;
beforeAll(async () => {
  // Nothing opens it, so it needs no more files.
  const files = new Map([
    ['model_index.json', Buffer.from('{}')],
    ['unet/config.json', Buffer.from('{}')],
    [UNET, randomBytes(300_000)],
  ]);
  hub = await FakeHub.start(files);
  house = await openHouse();
  const figures = { parameters: 1e5, activations: 1e6, step: 0.001, decoding: 0.001 };
  const facts = { architecture: 'sd1', size: 64, steps: 2, guided: true, licence: 'mit', goodAt: 'tests' };
  const model = {
    name: NAME,
    title: 'Tiny',
    repo: 'owner/model',
    revision: 'main',
    variant: null,
    bytes: 1e6,
  };
  const catalogue = join(house.config.dataFolder, 'catalogue.json');
  await writeFile(catalogue, JSON.stringify({ models: [{ ...model, ...facts, figures }] }));
  vi.stubEnv('KRONA_CATALOGUE', catalogue);
  vi.stubEnv('HF_ENDPOINT', hub.endpoint);
  vi.stubEnv('HF_TOKEN', '');
});
beforeEach(async () => {
  hub.asked.length = 0;
  await house.storage.records.saveModelCard(MODEL, NAME);
});
afterAll(async () => {
  await house?.close();
  await hub?.stop();
  vi.unstubAllEnvs();
});

const folder = () => join(house.config.dataFolder, 'models', 'model');
/** What an engine's work is done with; no picture is drawn here. */
const station = () =>
  ({
    records: house.storage.records,
    dataFolder: house.config.dataFolder,
    model: MODEL,
    engine: { on: () => ({}) },
  }) as unknown as WorkerContext;

async function removed(): Promise<void> {
  await house.storage.records.removeModel(NAME);
  await dropModel(station(), NAME);
}

it('two engines that need a model at once download it once', async () => {
  await Promise.all([contextOn(station(), NAME, conduct), contextOn(station(), NAME, conduct)]);
  expect(await readFile(join(folder(), UNET))).toEqual(hub.files.get(UNET));
  expect(hub.downloads.filter((each) => each.startsWith(UNET))).toHaveLength(1);
  await removed();
  expect(await exists(folder())).toBe(false);
});

it('files that an administrator had put there stay, whatever becomes of a pull', async () => {
  const { endpoint } = hub;
  await pullModel({ repo: 'owner/model', revision: 'main', to: folder() }, { endpoint, token: null });
  await contextOn(station(), NAME, conduct);
  await house.storage.records.removeModel(NAME);
  const dayBefore = new Date(Date.now() - 25 * 3600_000);
  await utimes(join(folder(), MARKER), dayBefore, dayBefore);
  await sweepModels(station());
  expect(await readFile(join(folder(), UNET))).toEqual(hub.files.get(UNET));
  expect(await exists(join(folder(), MARKER))).toBe(false);
});
