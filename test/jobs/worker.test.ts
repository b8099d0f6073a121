/** The worker with its engine process and the tiny model: what members and crashes do to it. */
import { fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { nodeOptions } from '../../core/own-program.ts';
import { adapterBase } from '../../gpu-worker/adapters/files/adapter-base.ts';
import { readAdapter } from '../../gpu-worker/adapters/files/read-adapter.ts';
import { exists } from '../../core/files.ts';
import { sweepRuns } from '../../gpu-worker/jobs/sweep-runs.ts';
import { startWorker, type Worker } from '../../gpu-worker/main.ts';
import { targetProjections } from '../../gpu-worker/adapters/targets.ts';
import { openModelFolder } from '../../gpu-worker/models/model-folder.ts';
import { openSafetensors } from '../../gpu-worker/models/safetensors.ts';
import { loadOptimizer } from '../../gpu-worker/training/optimizer-file.ts';
import type { PictureSet, Run } from '../../core/records.ts';
import { Engine } from '../../gpu-worker/engine/engine.ts';
import { enginePid, newestEnginePid } from '../helpers/engine-pid.ts';
import { TINY_MODEL } from '../helpers/fixtures.ts';
import { until } from '../helpers/until.ts';
import { openWorkshop, SETTINGS, type Workshop } from './workshop.ts';

// A test that runs alone also trains the run that it compares with.
let shop: Workshop;
/** null: a test has stopped it. */
let worker: Worker | null = null;
let undisturbed: Promise<Run> | undefined;
/** A run that nothing disturbs, to compare others with: trained once, for the first test that asks. */
const plainRun = () => (undisturbed ??= shop.train().then(trained));

const runNow = async (run: Run): Promise<Run> => (await shop.storage.records.run(run.id))!;
const setNow = async (set: PictureSet): Promise<PictureSet> => (await shop.storage.records.set(set.id))!;
const endOf = <T extends Run | PictureSet>(now: () => Promise<T>): Promise<T> =>
  until(async () => {
    const record = await now();
    return record.state !== 'queued' && record.state !== 'running' && record;
  });
const trained = (run: Run) => endOf(() => runNow(run));
const drawn = (set: PictureSet) => endOf(() => setNow(set));
const training = (run: Run, step = 1) =>
  until(async () => {
    const { progress } = await runNow(run);
    return progress?.phase === 'training' && progress.step >= step && progress;
  });
const hashes = async (run: Run) => (await shop.adaptersOf(run)).map(({ step, blobHash }) => [step, blobHash]);
const pictureHashes = async (set: PictureSet) =>
  (await shop.storage.records.pictures(set.id)).map(({ blobHash }) => blobHash);

beforeAll(async () => {
  shop = await openWorkshop();
});
beforeEach(async () => {
  worker ??= await shop.startWorker();
});
afterAll(async () => {
  await worker?.stop();
  await shop?.close();
});

async function stopWorker(): Promise<void> {
  await worker?.stop();
  worker = null;
}

it('tells the chat what it computes on, and after the first set how long a step of a picture takes', async () => {
  const { records } = shop.storage;
  const { computer } = (await records.modelCard())!;
  expect(computer).toMatchObject({ device: 'cpu', check: null });
  await drawn(await shop.imagine({ count: 2 }));
  const after = (await records.modelCard())!.computer!;
  expect(after.drawnStep).toBeGreaterThan(0);
  await stopWorker();
  worker = await shop.startWorker();
  expect((await records.modelCard())!.computer).toEqual(after);
});

it('a run whose worker is killed resumes at the next one, with the file of an uninterrupted run', async () => {
  const plain = await plainRun();
  await stopWorker();
  const killed = await shop.train();
  const { dataFolder } = shop.config;
  const child = fork(join(import.meta.dirname, 'worker-process.ts'), {
    execArgv: [...nodeOptions],
    env: { ...process.env, ...shop.environment },
  });
  await until(async () => (await shop.adaptersOf(killed)).length > 0);
  child.kill('SIGKILL');
  expect((await runNow(killed)).state).toBe('running');

  worker = await shop.startWorker();
  expect((await trained(killed)).state).toBe('done');

  const steps = (await hashes(plain)).map(([step]) => step);
  expect(steps).toEqual([20, 40, 60]);
  expect(await hashes(killed)).toEqual(await hashes(plain));
  await until(async () => !(await exists(join(dataFolder, 'runs', killed.id))));
});

it('a run trains each photo with its caption, and the adapter records it', async () => {
  const captions = ['a zqkv cat on red', null, 'a zqkv cat on green'];
  const run = await shop.train({ steps: 20 }, { photoPrompts: captions });
  expect((await trained(run)).state).toBe('done');
  const [adapter] = await shop.adaptersOf(run);
  const { metadata } = await openSafetensors((await shop.storage.blobs.localPath(adapter!.blobHash))!);
  expect(JSON.parse(metadata.get('krona.settings')!)).toMatchObject({ prompt: 'a zqkv cat', captions });
  // What is trained is another thing than without captions.
  const [, first] = (await plainRun()).losses;
  expect((await runNow(run)).losses[1]!.loss).not.toBe(first!.loss);
});

it("a run uses its channel's settings, and class pictures that are drawn once and kept", async () => {
  // So many that they take longer than the pause between two words on the progress.
  const PRIOR = 60;
  const cutOut = (colour: string) =>
    sharp({ create: { width: 80, height: 64, channels: 4, background: '#0000' } })
      .composite([
        { input: { create: { width: 30, height: 40, channels: 3, background: colour } }, left: 8, top: 12 },
      ])
      .png()
      .toBuffer();
  const photoHashes: string[] = [];
  for (const colour of ['#c33', '#39c'])
    photoHashes.push((await shop.storage.blobs.put(await cutOut(colour))).hash);
  const chosen = {
    steps: 20,
    prior: PRIOR,
    mask: 'alpha',
    crop: 'random',
    flip: true,
    minSnr: 5,
    offsetNoise: 0.05,
    lrSchedule: 'cosine',
    warmup: 5,
    batch: 2,
    targets: 'attention,feed-forward',
  } as const;
  const run = await shop.train(chosen, { photoHashes });
  expect((await trained(run)).state).toBe('done');
  const drawing = shop.progressOf(run).find(({ phase }) => /^drawing class picture \d+ of 60$/.test(phase));
  expect(drawing).toMatchObject({ step: 0, steps: 20 });
  const [adapter] = await shop.adaptersOf(run);
  const { metadata, tensors } = await openSafetensors(
    (await shop.storage.blobs.localPath(adapter!.blobHash))!,
  );
  expect(JSON.parse(metadata.get('krona.settings')!)).toMatchObject({
    class_prompt: 'a cat',
    class_pictures: PRIOR,
    prior_weight: 1,
    mask: 'alpha',
    background: 0.1,
    crop: 'random',
    flip: true,
    min_snr: 5,
    offset_noise: 0.05,
    lr_schedule: 'cosine',
    warmup: 5,
    batch: 2,
    targets: ['attention', 'feed-forward'],
  });
  expect([...tensors.keys()].some((name) => name.includes('ff_net'))).toBe(true);

  const kept = join(shop.config.dataFolder, 'class-pictures');
  const pictures = async () => {
    const names = (await readdir(kept, { recursive: true })).filter((name) => name.endsWith('.png')).sort();
    return Promise.all(names.map(async (name) => [name, (await stat(join(kept, name))).mtimeMs]));
  };
  const drawn = await pictures();
  expect(drawn).toHaveLength(PRIOR);
  const [, masked] = (await runNow(run)).losses;
  // Another run has another seed of its own, and the same pictures.
  const again = await shop.train({ ...chosen, prior: 4 }, { photoHashes, seed: 8 });
  expect((await trained(again)).state).toBe('done');
  expect(await pictures()).toEqual(drawn);
  // What surrounds the subject counts less under the mask: the same steps lose more without.
  const whole = await shop.train({ ...chosen, mask: 'off' }, { photoHashes });
  expect((await trained(whole)).state).toBe('done');
  expect((await runNow(whole)).losses[1]!.loss).toBeGreaterThan(1.2 * masked!.loss);
});

it('deletes checkpoints of full fine-tuning that no message shows when it ends', async () => {
  const { records } = shop.storage;
  const run = await shop.train({ method: 'full', steps: 60, count: 2 });
  expect((await trained(run)).state).toBe('done');
  await until(async () => (await shop.adaptersOf(run)).length === 2, 'checkpoints to be deleted');
  // The result was drawn by the final one and the one halfway.
  expect((await shop.adaptersOf(run)).map(({ step }) => step)).toEqual([40, 60]);
  const subject = await records.subject(shop.subject.id);
  expect(await records.adapter(subject!.championId!)).not.toBeNull();
});

it('class pictures that no training used for a month are removed, and others stay', async () => {
  const folder = join(shop.config.dataFolder, 'class-pictures');
  const days = async (name: string, ago: number) => {
    await mkdir(join(folder, name), { recursive: true });
    await writeFile(join(folder, name, '00000.png'), 'picture');
    const at = new Date(Date.now() - ago * 24 * 3600_000);
    await utimes(join(folder, name), at, at);
  };
  await days('old', 31);
  await days('recent', 29);
  const { records } = shop.storage;
  await sweepRuns({ records, dataFolder: shop.config.dataFolder, log: shop.log });
  const left = await readdir(folder);
  expect(left).toContain('recent');
  expect(left).not.toContain('old');
  await rm(join(folder, 'recent'), { recursive: true });
});

it('a run produces an adapter, a loss curve, samples at each checkpoint and a grid to vote on', async () => {
  const { records, blobs } = shop.storage;
  const run = await plainRun();
  expect(run).toMatchObject({ state: 'done', progress: null, failure: null });
  expect(run.endedAt!.getTime()).toBeGreaterThan(run.startedAt!.getTime());
  expect(run.losses.map(({ step }) => step)).toEqual(Array.from({ length: 60 }, (_, n) => n + 1));
  for (const { loss } of run.losses) expect(loss).toBeGreaterThan(0);

  const adapters = await shop.adaptersOf(run);
  const final = adapters.at(-1)!;
  expect(adapters.map((adapter) => adapter.final)).toEqual([false, false, true]);
  const model = await openModelFolder(TINY_MODEL);
  const file = await readAdapter((await blobs.localPath(final.blobHash))!, adapterBase(model));
  expect(file.layers.size).toBe(targetProjections(model, ['attention', 'feed-forward']).length);
  expect(file.metadata.get('krona.subject_token')).toBe('zqkv');
  expect((await blobs.stat(final.blobHash))!.size).toBe(final.size);

  const sets = await records.setsOfRun(run.id);
  expect(sets.map(({ kind, state, count }) => [kind, state, count])).toEqual([
    ['samples', 'done', 2],
    ['samples', 'done', 2],
    ['finals', 'done', 4],
  ]);
  expect(sets.map(({ adapterId }) => adapterId)).toEqual(adapters.map(({ id }) => id));
  // The result has a message of its own; samples are in the run's.
  expect(await Promise.all(sets.map(async ({ id }) => (await records.postOf(id))?.kind))).toEqual([
    undefined,
    undefined,
    'set',
  ]);
  const finals = await records.pictures(sets[2]!.id);
  expect(finals.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
  // The final adapter and the one halfway, each with two seeds; four different pictures of the model's size.
  expect(new Set(finals.map(({ seed, adapterId }) => `${seed} ${adapterId}`)).size).toBe(4);
  expect(new Set(finals.map(({ adapterId }) => adapterId))).toEqual(new Set([adapters[1]!.id, final.id]));
  expect(new Set(finals.map(({ blobHash }) => blobHash)).size).toBe(4);
  const header = await sharp(await blobs.get(finals[0]!.blobHash)).metadata();
  expect(header).toMatchObject({ format: 'png', width: 64, height: 64 });
});

it("a subject's first adapter is its champion, later ones are not", async () => {
  const { id: subjectId } = await shop.addSubject('Rex');
  const [first, second] = [
    await shop.train({ steps: 20 }, { subjectId }),
    await shop.train({ steps: 20 }, { subjectId, seed: 8 }),
  ];
  for (const run of [first, second]) expect((await trained(run)).state).toBe('done');
  const subject = (await shop.storage.records.subject(subjectId))!;
  const champion = (await shop.storage.records.adapter(subject.championId!))!;
  expect(champion).toMatchObject({ runId: first.id, final: true });
  expect(subject.championPinned).toBe(false);
});

/** The final adapter of a run as if it had been trained on other weights. */
async function ofOtherModel(run: Run) {
  const { blobs } = shop.storage;
  const { id: _id, createdAt: _at, ...own } = (await shop.adaptersOf(run)).at(-1)!;
  const file = Buffer.from(await blobs.get(own.blobHash)).toString('latin1');
  const other = file.replace(/("krona\.base_hash":")[^"]{8}/, '$100000000');
  const { hash: blobHash } = await blobs.put(Buffer.from(other, 'latin1'));
  return { ...own, id: randomUUID(), blobHash };
}

it('a run that goes on with another model keeps nothing of the one before', async () => {
  const { records, jobs } = shop.storage;
  const { id: subjectId } = await shop.addSubject('Tom');
  const first = await shop.train({ steps: 20 }, { subjectId });
  expect((await trained(first)).state).toBe('done');
  const before = await ofOtherModel(first);
  const { revision: _revision, ...facts } = await runNow(first);
  const run = await records.addRun({ ...facts, id: randomUUID(), state: 'queued', seed: 9 });
  await records.addAdapter({ ...before, runId: run.id });
  await jobs.enqueue('train', run.id, { runId: run.id }, run);
  expect((await trained(run)).state).toBe('done');
  expect((await shop.adaptersOf(run)).map(({ id }) => id)).not.toContain(before.id);
  const finals = (await records.setsOfRun(run.id)).find(({ kind }) => kind === 'finals')!;
  expect(finals.state).toBe('done');
});

it('a champion of another model gives way to the adapter that is trained again', async () => {
  const { records } = shop.storage;
  const { id: subjectId } = await shop.addSubject('Sue');
  const first = await shop.train({ steps: 20 }, { subjectId });
  expect((await trained(first)).state).toBe('done');
  const before = { ...(await ofOtherModel(first)), step: 19, final: false };
  await records.addAdapter(before);
  await records.setChampion(subjectId, before.id, true);

  const set = await drawn(await shop.imagine({ subjectId, adapterId: before.id, prompt: 'Sue' }));
  expect(set.failure).toMatchObject({ code: 'ADAPTER_OTHER_BASE' });
  expect(set.failure!.message).toMatch(/^The adapter of Sue was trained on /);

  const second = await shop.train({ steps: 20 }, { subjectId, seed: 8 });
  expect((await trained(second)).state).toBe('done');
  const champion = (await shop.adaptersOf(second)).find(({ final }) => final)!;
  expect(await records.subject(subjectId)).toMatchObject({ championId: champion.id, championPinned: false });
  expect((await records.championChanges(subjectId)).at(-1)!.reason).toContain('another model');
});

it('a second delivery of a finished job does nothing', async () => {
  const before = await plainRun();
  const { jobs, records } = shop.storage;
  const id = randomUUID();
  await jobs.enqueue('train', id, { runId: before.id });
  await until(async () => (await jobs.state('train', id)) === 'completed');
  expect(await runNow(before)).toEqual(before);
  expect(await records.setsOfRun(before.id)).toHaveLength(3);
});

it('an engine process that dies again and again while the result is drawn costs retries, and the adapter is kept', async () => {
  const run = await shop.train({ steps: 20, samplingSteps: 150 });
  const { lines } = shop.log;
  // As often as a job that gets no further is tried: the first of them has trained it.
  for (let deaths = 0; deaths < 3; deaths++) {
    const told = shop.progressOf(run).length;
    const logged = lines.length;
    await until(async () =>
      shop
        .progressOf(run)
        .slice(told)
        .some(({ phase }) => phase === 'drawing the result'),
    );
    process.kill(enginePid(), 'SIGKILL');
    await until(async () => lines.slice(logged).some((line) => line.includes('(SIGKILL)')));
  }
  const { state, failure } = await trained(run);
  expect({ state, failure }).toEqual({ state: 'done', failure: null });
  const [final, ...others] = await shop.adaptersOf(run);
  expect([final!.final, others]).toEqual([true, []]);
});

it("pictures don't wait for a training, and cancelling stops a training", async () => {
  const { jobs, records } = shop.storage;
  const run = await shop.train({ steps: 1_000_000 });
  const { step } = await training(run);
  const set = await shop.imagine({ count: 2 });
  expect((await drawn(set)).state).toBe('done');
  expect(await records.pictures(set.id)).toHaveLength(2);
  expect((await runNow(run)).state).toBe('running');
  await until(async () => (await runNow(run)).progress!.step > step);

  expect(await jobs.cancel('train', run.id)).toBe(true);
  expect((await trained(run)).state).toBe('cancelled');
  await until(async () => (await jobs.state('train', run.id)) === 'cancelled');
  await until(async () => !(await exists(join(shop.config.dataFolder, 'runs', run.id))));
});

it('a stopped worker returns its training to the queue, and loses no step', async () => {
  const { jobs } = shop.storage;
  const run = await shop.train({ steps: 1_000_000 });
  // Enough of them that a new start from the first would be seen.
  const { step } = await training(run, 200);
  await stopWorker();
  const stopped = await runNow(run);
  expect(stopped.state).toBe('running');
  const kept = await loadOptimizer(join(shop.config.dataFolder, 'runs', run.id, 'adapter.state.safetensors'));
  expect(kept!.state.step).toBeGreaterThanOrEqual(step);

  worker = await shop.startWorker();
  const { progress } = await until(async () => {
    const now = await runNow(run);
    const goesOn = now.progress?.phase === 'training' && now.revision > stopped.revision;
    return goesOn && now.progress.step !== stopped.progress!.step && now;
  });
  expect(progress!.step).toBeGreaterThan(kept!.state.step);
  expect(progress!.secondsLeft).toBeGreaterThan(0);
  await jobs.cancel('train', run.id);
  await trained(run);
});

it('the same seed draws the same picture, alone or in a set, and a stored one is not drawn again', async () => {
  const { records, blobs, jobs } = shop.storage;
  const [early, final] = (await shop.adaptersOf(await plainRun())).slice(-2);
  const ours = { prompt: 'a Mochi', subjectId: shop.subject.id, adapterId: final!.id };
  const sets = [
    await shop.imagine({ ...ours, count: 3, seed: 2 ** 32 - 2 }),
    await shop.imagine({ ...ours, seed: 2 ** 32 - 1 }),
    await shop.imagine({ ...ours, seed: 0 }),
    await shop.imagine({ ...ours, strength: 0 }),
    await shop.imagine(ours),
    await shop.imagine({ ...ours, alsoAdapterIds: [early!.id] }),
  ];
  for (const set of sets) expect((await drawn(set)).state).toBe('done');
  const [three, second, third, without, withAdapter, withTwo] = await Promise.all(sets.map(pictureHashes));
  expect(three!.slice(1)).toEqual([...second!, ...third!]);
  expect(without).not.toEqual(withAdapter);
  // The changes of both add up.
  expect([without, withAdapter]).not.toContainEqual(withTwo);

  const begun = await shop.imagine({ ...ours, count: 2 }, { enqueue: false });
  const { hash } = await blobs.put(Buffer.from('stands for a picture that an earlier attempt has stored'));
  const stored = { blobHash: hash, width: 64, height: 64, seed: 11, adapterId: final!.id };
  await records.addPicture({ ...stored, id: randomUUID(), setId: begun.id, index: 0 });
  await jobs.enqueue('imagine', begun.id, { setId: begun.id });
  expect((await drawn(begun)).state).toBe('done');
  const [first, next] = await pictureHashes(begun);
  expect(first).toBe(hash);
  expect(next).not.toBe(withAdapter![0]);
});

it('size, rescaled guidance and refiner from the settings apply to the picture', async () => {
  const draw = (settings: Partial<typeof SETTINGS>) =>
    shop.imagine({ settings: { ...SETTINGS, ...settings } });
  const wide = await draw({ size: '96x64' });
  const rescaled = await draw({ size: '96x64', rescale: 0.7 });
  const refined = await draw({ refine: 0.2 });
  for (const set of [wide, rescaled]) expect((await drawn(set)).state).toBe('done');
  const [picture] = await shop.storage.records.pictures(wide.id);
  expect(picture).toMatchObject({ width: 96, height: 64 });
  expect(await pictureHashes(rescaled)).not.toEqual(await pictureHashes(wide));
  expect((await drawn(refined)).failure).toMatchObject({ code: 'REFINER_MISSING' });
});

it('alternatives come in turn, each round of one seed, as if each were drawn alone', async () => {
  const { records } = shop.storage;
  const set = await shop.imagine({ prompt: 'a {red|blue} fox', count: 4 });
  const alone = await shop.imagine({ prompt: 'a blue fox', seed: 12 });
  for (const each of [set, alone]) expect((await drawn(each)).state).toBe('done');
  const pictures = await records.pictures(set.id);
  expect(pictures.map(({ prompt, seed }) => [prompt, seed])).toEqual([
    ['a red fox', 11],
    ['a blue fox', 11],
    ['a red fox', 12],
    ['a blue fox', 12],
  ]);
  expect(pictures.at(-1)!.blobHash).toBe((await pictureHashes(alone))[0]);
});

it('an alternative is drawn with the adapters of the subjects that it names', async () => {
  const { records } = shop.storage;
  const final = (await shop.adaptersOf(await plainRun())).at(-1)!;
  const ours = { subjectId: shop.subject.id, adapterId: final.id };
  const set = await shop.imagine({ ...ours, prompt: '{Mochi|a fox} at sea', count: 2 });
  const alone = await shop.imagine({ prompt: 'a fox at sea' });
  for (const each of [set, alone]) expect((await drawn(each)).state).toBe('done');
  const [first, second] = await records.pictures(set.id);
  expect([first!.adapterId, second!.adapterId]).toEqual([final.id, null]);
  expect(second!.blobHash).toBe((await pictureHashes(alone))[0]);
});

it('pictures that a set is steered by change it, unless they were deleted since', async () => {
  const steered = (liked: readonly string[]) => shop.imagine({ steering: { liked, disliked: [] } });
  const plain = await drawn(await shop.imagine());
  const [liked] = await shop.storage.records.pictures(plain.id);
  const sets = [await steered([liked!.id]), await steered([randomUUID()])];
  const [like, unchanged] = await Promise.all(sets.map(async (set) => pictureHashes(await drawn(set))));
  expect(unchanged).toEqual(await pictureHashes(plain));
  expect(like).not.toEqual(unchanged);
});

it('a set begins with a picture, and only the part in its mask changes', async () => {
  const { blobs } = shop.storage;
  const gradient = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (4 * Math.floor(i / 3)) % 256);
  const raw = { width: 64, height: 64, channels: 3 } as const;
  const put = async (pixels: Uint8Array, channels: 1 | 3) =>
    (
      await blobs.put(
        await sharp(pixels, { raw: { ...raw, channels } })
          .png()
          .toBuffer(),
      )
    ).hash;
  const blobHash = await put(gradient, 3);
  const left = Uint8Array.from({ length: 64 * 64 }, (_, i) => (i % 64 < 24 ? 255 : 0));
  const maskHash = await put(left, 1);
  const begin = (change: number, mask: string | null, settings = {}) =>
    shop.imagine({
      settings: { ...SETTINGS, samplingSteps: 10, ...settings },
      start: { blobHash, maskHash: mask, size: 1, change },
    });
  const sets = [await begin(0.1, null), await begin(1, null), await begin(1, maskHash)];
  const small = await begin(
    1,
    await put(
      left.map((value, i) => (i % 64 < 3 && i % 64 > 0 ? value : 0)),
      1,
    ),
  );
  const gone = await shop.imagine({ start: { blobHash: null, maskHash: null, size: 0, change: 1 } });
  const pixels = async (set: PictureSet) => {
    expect((await drawn(set)).state).toBe('done');
    return sharp(await blobs.get((await pictureHashes(set))[0]!))
      .raw()
      .toBuffer();
  };
  const [near, far, part] = await Promise.all(sets.map(pixels));
  /** The mean difference to the picture, of the pixels in some columns. */
  const difference = (drawing: Buffer, from: number, to: number): number => {
    const inside = [...drawing.keys()].filter((i) => {
      const x = Math.floor(i / 3) % 64;
      return x >= from && x < to;
    });
    return inside.reduce((sum, i) => sum + Math.abs(drawing[i]! - gradient[i]!), 0) / inside.length;
  };
  expect(difference(near!, 0, 64)).toBeLessThan(difference(far!, 0, 64));
  expect(difference(part!, 0, 24)).toBeGreaterThan(10);
  expect(difference(part!, 48, 64)).toBe(0);
  expect((await drawn(small)).failure).toMatchObject({ code: 'MASK_EMPTY' });
  expect((await drawn(gone)).failure).toMatchObject({ code: 'PICTURE_GONE' });
});

it("picture files carry their settings, unless the channel's rules say otherwise", async () => {
  const { records, blobs } = shop.storage;
  const draw = async () => {
    const set = await shop.imagine({ prompt: 'a (red:1.2) fox', negative: 'snow' });
    expect((await drawn(set)).state).toBe('done');
    return Buffer.from(await blobs.get((await pictureHashes(set))[0]!)).toString('latin1');
  };
  expect(await draw()).toContain(
    `parameters\0a (red:1.2) fox\nNegative prompt: snow\nSteps: 3, CFG scale: ${SETTINGS.guidance}, Seed: 11, Size: 64x64, Model: `,
  );
  const { id } = (await records.channelByExternalId('web', 'general'))!;
  const rules = await records.rules(id);
  await records.saveRules(id, { ...rules, parameters: false });
  expect(await draw()).not.toContain('parameters');
  await records.saveRules(id, rules);
});

it('a variation resembles its picture more than another seed does', async () => {
  const { records, blobs } = shop.storage;
  const original = await shop.imagine({ seed: 100 });
  await drawn(original);
  const [picture] = await records.pictures(original.id);
  const varied = await shop.imagine({ seed: 200, variationOf: picture!.id });
  const other = await shop.imagine({ seed: 200 });
  const pixels = async (set: PictureSet) => {
    await drawn(set);
    const [hash] = await pictureHashes(set);
    return sharp(await blobs.get(hash!))
      .raw()
      .toBuffer();
  };
  const [from, near, far] = await Promise.all([original, varied, other].map(pixels));
  const distance = (a: Buffer, b: Buffer): number => a.reduce((sum, v, i) => sum + (v - b[i]!) ** 2, 0);
  expect(distance(from!, near!)).toBeGreaterThan(0);
  expect(distance(from!, near!)).toBeLessThan(distance(from!, far!));
});

it('a picture is upscaled to twice its size; a missing one is reported', async () => {
  const { records, blobs } = shop.storage;
  const originals = await Promise.all([100, 101].map((seed) => shop.imagine({ seed })));
  for (const set of originals) await drawn(set);
  const larger: Buffer[] = [];
  for (const { id } of originals) {
    const [picture] = await records.pictures(id);
    const set = await shop.imagine({ kind: 'upscale', upscaleOf: picture!.id, seed: 100 });
    expect(await drawn(set)).toMatchObject({ state: 'done', failure: null });
    const [again] = await records.pictures(set.id);
    expect(again).toMatchObject({ width: 2 * picture!.width, height: 2 * picture!.height });
    const { data, info } = await sharp(await blobs.get(again!.blobHash))
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect([info.width, info.height]).toEqual([128, 128]);
    larger.push(data);
  }
  // The same seed and prompt over two pictures.
  expect(larger[0]!.equals(larger[1]!)).toBe(false);
  const gone = await shop.imagine({ kind: 'upscale', upscaleOf: null });
  expect((await drawn(gone)).failure).toMatchObject({ code: 'PICTURE_GONE' });
});

it.each([
  ['x2', 2],
  ['x4', 4],
] as const)('a picture is enlarged by a network that keeps what it shows (%s)', async (upscale, times) => {
  const { records, blobs } = shop.storage;
  const original = await shop.imagine({ seed: 100 });
  await drawn(original);
  const [picture] = await records.pictures(original.id);
  const set = await shop.imagine({
    kind: 'upscale',
    upscaleOf: picture!.id,
    settings: { ...original.settings, upscale },
  });
  expect(await drawn(set)).toMatchObject({ state: 'done', failure: null });
  const [large] = await records.pictures(set.id);
  const { width, height } = picture!;
  expect(large).toMatchObject({ width: times * width, height: times * height });
  const small = (blob: string) =>
    blobs.get(blob).then((png) => sharp(png).resize(width, height).raw().toBuffer());
  const [before, after] = [await small(picture!.blobHash), await small(large!.blobHash)];
  const difference = before.reduce((sum, value, i) => sum + Math.abs(value - after[i]!), 0) / before.length;
  // Two pictures of this model differ by 60 and more.
  expect(difference).toBeLessThan(15);
});

it("a member's picture is enlarged by a network or drawn again larger, and keeps its transparency", async () => {
  const { records, blobs } = shop.storage;
  const { settings, memberId } = await shop.imagine({}, { enqueue: false });
  const disc = '<svg width="40" height="30"><circle cx="20" cy="15" r="10" fill="#c32"/></svg>';
  const sent = await blobs.put(await sharp(Buffer.from(disc)).png().toBuffer());
  const start = { memberId, blobHash: sent.hash, maskHash: null, size: sent.size, change: 1 };
  const enlarged = async (upscale: 'x2' | 'redraw', size: '40x30' | '64x48') => {
    const set = await shop.imagine({ kind: 'upscale', start, settings: { ...settings, upscale, size } });
    expect(await drawn(set)).toMatchObject({ state: 'done', failure: null });
    const [picture] = await records.pictures(set.id);
    const { width, height, hasAlpha, comments } = await sharp(await blobs.get(picture!.blobHash)).metadata();
    expect(picture).toMatchObject({ width, height });
    return { width, height, hasAlpha, isSigned: comments !== undefined };
  };
  // Nothing that was set says anything about the network's.
  expect(await enlarged('x2', '40x30')).toEqual({ width: 80, height: 60, hasAlpha: true, isSigned: false });
  expect(await enlarged('redraw', '64x48')).toMatchObject({ width: 128, height: 96, isSigned: true });
  const gone = { ...start, blobHash: null };
  const none = await drawn(
    await shop.imagine({ kind: 'upscale', start: gone, settings: { ...settings, upscale: 'x2' } }),
  );
  expect(none.failure).toMatchObject({ code: 'PICTURE_GONE' });
});

it("a run that can't work fails with a code and advice, and is not retried", async () => {
  const tries = () => shop.log.lines.filter((line) => line.startsWith('job started')).length;
  const before = tries();
  const factors = await shop.train({ a1: 7 });
  const { hash } = await shop.storage.blobs.put(Buffer.from('not a photo'));
  const photo = await shop.train({}, { photoHashes: [hash] });
  expect((await trained(factors)).failure).toMatchObject({ code: 'FACTORS_UNFIT' });
  expect((await trained(factors)).failure!.message).toContain('7');
  expect((await trained(photo)).failure).toMatchObject({ code: 'PHOTO_NOT_IMAGE' });
  expect((await trained(photo)).failure!.message).toContain('photo-1');
  await until(async () => (await shop.storage.jobs.state('train', photo.id)) === 'failed');
  expect(tries() - before).toBe(2);

  const gone = await shop.imagine({ subjectId: shop.subject.id, adapterId: null });
  expect((await drawn(gone)).failure).toMatchObject({ code: 'ADAPTER_GONE' });
});

it('a job that is cancelled or deleted before its turn does nothing', async () => {
  const { jobs, records } = shop.storage;
  const busy = await shop.train({ steps: 1_000_000 });
  await training(busy);
  const waiting = await shop.train();
  await jobs.cancel('train', waiting.id);
  await jobs.cancel('train', busy.id);
  for (const run of [busy, waiting]) expect((await trained(run)).state).toBe('cancelled');
  expect(await shop.adaptersOf(waiting)).toEqual([]);

  const set = await shop.imagine({}, { enqueue: false });
  await records.deleteSet(set.id, 'By Ada.');
  await jobs.enqueue('imagine', set.id, { setId: set.id });
  await until(async () => (await jobs.state('imagine', set.id)) === 'completed');
});

it('an engine that is killed while it starts is replaced; one that dies again and again ends the start', async () => {
  let asked = 0;
  const start = (deaths: number) =>
    startWorker(shop.storage, shop.config, {
      log: shop.log,
      openEngine: ({ modelPath }, device) => {
        const engine = new Engine(modelPath, { device });
        const describe = engine.describe.bind(engine);
        engine.describe = (options) => {
          const described = describe(options);
          if (asked++ < deaths) process.kill(newestEnginePid(), 'SIGKILL');
          return described;
        };
        return engine;
      },
    });
  const started = await start(1);
  await started.stop();
  expect(asked).toBe(2);
  asked = 0;
  await expect(start(Infinity)).rejects.toMatchObject({
    code: 'ENGINE_DIED',
    message: expect.stringContaining('5 times in a row') as string,
  });
  expect(asked).toBe(5);
});

it('a missing or damaged model folder is reported at the start', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'krona-model-'));
  try {
    const start = (modelPath: string) =>
      startWorker(shop.storage, { ...shop.config, modelPath }, { log: shop.log });
    await expect(start(join(folder, 'nothing'))).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
      message: expect.stringContaining('KRONA_MODEL') as string,
    });
    const model = join(folder, 'model');
    await cp(TINY_MODEL, model, { recursive: true });
    await truncate(join(model, 'unet', 'diffusion_pytorch_model.safetensors'), 200_000);
    await expect(start(model)).rejects.toMatchObject({ code: 'SAFETENSORS_TRUNCATED' });
    await writeFile(join(model, 'unet', 'config.json'), '{');
    await expect(start(model)).rejects.toMatchObject({ code: expect.stringMatching(/^MODEL_/) as string });
  } finally {
    await rm(folder, { recursive: true });
  }
});

it('a run that keeps its best checkpoint makes it the final adapter, and tells the scores', async () => {
  const run = await shop.train({ keep: 'best' });
  const done = await trained(run);
  expect(done).toMatchObject({ state: 'done', failure: null });
  const scores = done.scores;
  expect(scores.map(({ step }) => step)).toEqual([20, 40, 60].slice(0, scores.length));
  const best = scores.find(({ score }) => score === Math.max(...scores.map((each) => each.score)));
  const adapters = await shop.adaptersOf(run);
  // Every checkpoint stays an adapter of its own; the best is the final one.
  expect(adapters.map(({ step }) => step)).toEqual(scores.map(({ step }) => step));
  expect(adapters.filter(({ final }) => final).map(({ step }) => step)).toEqual([best?.step]);
  expect((await plainRun()).scores).toEqual([]);
});
