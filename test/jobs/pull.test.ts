/** The worker pulls models from a hub on this machine, draws with several, and deletes what was removed. */
import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { exists } from '../../core/files.ts';
import type { Pull } from '../../core/records.ts';
import type { Worker } from '../../gpu-worker/main.ts';
import type { WorkerContext } from '../../gpu-worker/jobs/context.ts';
import { pullJob } from '../../gpu-worker/jobs/pull.ts';
import { FakeHub } from '../helpers/fake-hub.ts';
import { tinyFolder } from '../helpers/sd-fixtures.ts';
import { until } from '../helpers/until.ts';
import { openWorkshop, type Workshop } from './workshop.ts';

const UNET = 'unet/diffusion_pytorch_model.safetensors';
const NAME = 'tiny';

let shop: Workshop;
let worker: Worker | null = null;
let hub: FakeHub;
beforeAll(async () => {
  const root = tinyFolder('sd15');
  const files = new Map<string, Buffer>();
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) {
      const path = join(entry.parentPath, entry.name);
      files.set(path.slice(root.length + 1), await readFile(path));
    }
  hub = await FakeHub.start(files);
  shop = await openWorkshop();
  const catalogue = join(shop.config.dataFolder, 'catalogue.json');
  await writeFile(catalogue, JSON.stringify(catalogueOf(NAME)));
  vi.stubEnv('KRONA_CATALOGUE', catalogue);
  vi.stubEnv('HF_ENDPOINT', hub.endpoint);
  vi.stubEnv('HF_TOKEN', '');
});
beforeEach(async () => {
  hub.mishaps.clear();
  hub.token = null;
  worker ??= await shop.startWorker();
});
afterAll(async () => {
  await worker?.stop();
  await shop?.close();
  await hub?.stop();
  vi.unstubAllEnvs();
});

function catalogueOf(name: string) {
  const figures = { parameters: 1e5, activations: 1e6, step: 0.001, decoding: 0.001 };
  const facts = { architecture: 'sd1', size: 64, steps: 2, guided: true, licence: 'mit', goodAt: 'tests' };
  const model = { name, title: 'Tiny', repo: 'owner/model', revision: 'main', variant: null, bytes: 1e6 };
  return { models: [{ ...model, ...facts, figures }] };
}

/** Asks for a pull, as the command does. */
async function ask(): Promise<Pull> {
  const { records, jobs } = shop.storage;
  const channel = await records.channel('web', 'general', 'general');
  const member = await records.member('web', 'ada', 'Ada');
  const pull = await records.addPull({
    id: randomUUID(),
    channelId: channel.id,
    memberId: member.id,
    model: NAME,
  });
  await jobs.enqueue('pull', pull.id, { model: NAME });
  return pull;
}

const ended = ({ id }: Pull): Promise<Pull> =>
  until(async () => {
    const now = (await shop.storage.records.pull(id))!;
    return now.state !== 'queued' && now.state !== 'running' && now;
  });

const folder = () => join(shop.config.dataFolder, 'models', 'model');

async function remove(): Promise<void> {
  const { records, jobs } = shop.storage;
  await records.removeModel(NAME);
  await jobs.enqueue('pull', randomUUID(), { model: NAME });
  await until(async () => !(await exists(folder())));
}

it('tells why a hub refuses', async () => {
  hub.token = 'hf_right';
  const refused = await ended(await ask());
  expect(refused).toMatchObject({ state: 'failed', failure: { code: 'HUB_FORBIDDEN' } });
});

it('refuses before the download what has no room on the disk, as a hub’s sizes say', async () => {
  hub.sizes.set(UNET, 2 ** 50);
  const { failure } = await ended(await ask());
  hub.sizes.clear();
  expect(failure).toMatchObject({ code: 'DISK_FULL' });
  expect(failure!.message).toMatch(/owner\/model needs .* GiB more on the disk/);
  expect(await exists(join(folder(), UNET))).toBe(false);
});

it('waits where a hub limits requests, resumes after a worker that stopped in the middle, and two channels draw with two models', async () => {
  const { records } = shop.storage;
  // The line breaks off again and again, and the worker goes while it waits.
  hub.mishaps.set(UNET, { cutAfter: 1000, times: 100 });
  const pull = await ask();
  await until(async () => (await records.pull(pull.id))!.progress !== null);
  await worker!.stop();
  worker = null;
  expect((await records.pull(pull.id))!.state).toBe('running');
  hub.mishaps.clear();
  const busy = { status: 429, times: 1 };
  hub.mishaps.set('scheduler/scheduler_config.json', busy);
  worker = await shop.startWorker();
  expect((await ended(pull)).state).toBe('done');
  expect(busy.times).toBe(0);
  expect(await readFile(join(folder(), UNET))).toEqual(hub.files.get(UNET));
  const [known] = (await records.models()).filter(({ name }) => name === NAME);
  expect(known).toMatchObject({
    card: { name: 'model', architecture: 'sd1', computer: { device: 'cpu' } },
    pulled: { bytes: expect.any(Number) as number },
  });

  const drawn = async (model: string) => {
    const set = await shop.imagine({ model, count: 1 });
    await until(async () => (await records.set(set.id))!.state === 'done');
    return (await records.pictures(set.id)).map(({ blobHash }) => blobHash);
  };
  const [own, tiny] = [await drawn('default'), await drawn(NAME)];
  expect(tiny).not.toEqual(own);
  // Back and forth, each draws what it drew.
  expect(await drawn('default')).toEqual(own);
  expect(await drawn(NAME)).toEqual(tiny);
  // The other workers can leave it such sets.
  await until(
    async () => (await records.workers()).some(({ models }) => models.includes(NAME)),
    'the heartbeat',
  );
  expect((await records.modelCard(NAME))!.computer!.drawnStep).toBeGreaterThan(0);
});

it('a training makes an adapter of the model that its run names', async () => {
  const { records } = shop.storage;
  const run = await shop.train({ steps: 20, count: 1 }, { model: NAME });
  await until(async () => (await records.run(run.id))!.state === 'done');
  const [adapter] = await shop.adaptersOf(run);
  expect(adapter!.model).toBe(NAME);
  const sets = await records.setsOfRun(run.id);
  expect(sets.map(({ model, state }) => [model, state])).toEqual(sets.map(() => [NAME, 'done']));
});

it('deletes the files of a model that was removed; work that names it says so', async () => {
  const { records } = shop.storage;
  expect((await stat(folder())).isDirectory()).toBe(true);
  await remove();
  const set = await shop.imagine({ model: NAME, count: 1 });
  await until(async () => (await records.set(set.id))!.state === 'failed');
  expect((await records.set(set.id))!.failure).toMatchObject({ code: 'MODEL_NOT_PULLED' });
});

it('closes a model that was removed in each engine of the process', async () => {
  const path = join(shop.config.dataFolder, 'models', 'model');
  await mkdir(path, { recursive: true });
  await writeFile(join(path, '.krona-pull.json'), JSON.stringify({ model: NAME, files: null }));
  const released: string[] = [];
  const engine = (name: string) => ({
    on: (model: string) => ({ release: async () => void released.push(`${name} ${model}`) }),
  });
  const engines = [engine('first'), engine('second')];
  const records = { openPull: async () => null, modelCard: async () => null };
  const context = {
    ...shop.storage,
    records,
    engine: engines[0],
    engines,
    dataFolder: shop.config.dataFolder,
  };
  const { signal } = new AbortController();
  await pullJob(context as unknown as WorkerContext)({
    ...{
      id: randomUUID(),
      payload: { model: NAME },
      attempt: 1,
      crashes: 0,
      lastTry: false,
      advance: async () => {},
      signal,
    },
  });
  expect(released).toEqual([`first ${path}`, `second ${path}`]);
  expect(await exists(path)).toBe(false);
});
