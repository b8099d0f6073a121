/** A run is resumed as itself, whatever its files are called and wherever they lie, and is never lost by accident. */
import { execFile } from 'node:child_process';
import { access, cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { nodeOptions } from '../../core/own-program.ts';
import { openSafetensors } from '../../gpu-worker/models/safetensors.ts';
import { loadOptimizer, saveOptimizer } from '../../gpu-worker/training/optimizer-file.ts';
import { trainAdapter } from '../../gpu-worker/training/train.ts';
import type { TrainOptions } from '../../gpu-worker/training/train-options.ts';
import { TINY_MODEL } from '../helpers/fixtures.ts';
import { makePhotos, tinyRun } from '../helpers/tiny-run.ts';

let folder: string;
let model: string;
let photos: string[];
/** A run of 4 steps that stopped after 2. */
let stopped: TrainOptions;
let statePath: string;
let state: Buffer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-resume-'));
  model = join(folder, 'model');
  await cp(TINY_MODEL, model, { recursive: true });
  photos = await makePhotos(join(folder, 'photos'), 2);
  const out = join(folder, 'stopped.safetensors');
  stopped = { ...tinyRun(photos, out), model, steps: 4, accumulation: 1, checkpointEvery: 100 };
  const kill = new AbortController();
  const onProgress = ({ step }: { step: number }) => step === 2 && kill.abort(new Error('killed'));
  await expect(trainAdapter(stopped, { signal: kill.signal, onProgress })).rejects.toThrow('killed');
  statePath = out.replace('.safetensors', '.state.safetensors');
  state = await readFile(statePath);
});
afterAll(() => rm(folder, { recursive: true }));

const refused = (change: Partial<TrainOptions>) =>
  expect(trainAdapter({ ...stopped, resume: true, ...change })).rejects;

it('names what differs, and keeps the state', async () => {
  await refused({ steps: 1 }).toMatchObject({
    code: 'RESUME_MISMATCH',
    message: /has 2 steps already.* is 1/,
  });
  await refused({ resume: false }).toMatchObject({
    code: 'RUN_UNFINISHED',
    message: /2 steps.*--resume.*--restart/,
  });
  await refused({ lr: 0.5, flip: true }).toMatchObject({
    message: /`flip` none, not true.*|other `flip`.*`lr` 0.01, not 0.5/,
  });
  const [first, second] = photos.map((path) => readFile(path));
  await writeFile(photos[1]!, await first!);
  await refused({}).toMatchObject({ message: /other bytes of photo-1.png/ });
  await writeFile(photos[1]!, await second!);
  await refused({ photos: photos.slice(1) }).toMatchObject({ message: /2 photos, not 1/ });
  for (const [part, file] of [
    ['text_encoder', 'model'],
    ['vae', 'diffusion_pytorch_model'],
  ] as const) {
    const path = join(model, part, `${file}.safetensors`);
    const bytes = await readFile(path);
    const { tensors } = await openSafetensors(path);
    const { offset, length } = [...tensors.values()].at(-1)!;
    const changed = Buffer.from(bytes);
    changed[offset + length - 1]! ^= 1;
    await writeFile(path, changed);
    await refused({}).toMatchObject({ message: new RegExp(`it has another ${part} of the model\\.`) });
    await writeFile(path, bytes);
  }
  const config = join(model, 'scheduler/scheduler_config.json');
  const text = await readFile(config, 'utf8');
  await writeFile(config, text.replace('0.00085', '0.00086'));
  await refused({}).toMatchObject({ message: /it has another scheduler of the model\./ });
  await writeFile(config, text);
  expect(await readFile(statePath)).toEqual(state);
});

it("resumes with the same content at other paths; a finished run doesn't start again", async () => {
  const moved = join(folder, 'moved');
  await cp(model, moved, { recursive: true });
  const elsewhere = await makePhotos(join(folder, 'photos again'), 2);
  const run = { ...stopped, model: moved, photos: elsewhere, resume: true };
  const steps: number[] = [];
  const onProgress = ({ step, loss }: { step: number; loss: number | null }) => {
    if (loss !== null) steps.push(step);
  };
  expect((await trainAdapter(run, { onProgress })).loss).toHaveLength(4);
  expect(Math.min(...steps)).toBe(2);
  const adapter = await readFile(run.out);
  await refused({}).toMatchObject({ code: 'RUN_FINISHED', message: /stopped.safetensors is finished/ });
  expect(await readFile(run.out)).toEqual(adapter);
  await writeFile(statePath, state);
  expect((await trainAdapter({ ...stopped, steps: 1, restart: true })).steps).toBe(1);
});

it('a damaged state says so, and what a killed attempt left is removed', async () => {
  const damaged = { code: 'RESUME_DAMAGED', message: /state to resume from, is damaged.*--restart/ };
  await writeFile(statePath, state.subarray(0, -1));
  await refused({}).toMatchObject(damaged);
  await writeFile(statePath, Buffer.alloc(0));
  await refused({}).toMatchObject(damaged);
  await writeFile(statePath, state);
  const { offset } = (await openSafetensors(statePath)).tensors.get('v')!;
  const broken = Buffer.from(state);
  broken.writeFloatLE(NaN, offset);
  await writeFile(statePath, broken);
  await refused({}).toMatchObject(damaged);
  await writeFile(statePath, state);
  const { state: numbers, facts } = (await loadOptimizer(statePath))!;
  for (const [fact, value] of [
    ['scores', [{ step: 20 }]],
    ['loss_scale', 5],
    ['curve', { points: [{}], sums: {} }],
  ] as const) {
    await saveOptimizer(statePath, numbers, {
      ...Object.fromEntries(facts),
      [fact]: JSON.stringify(value),
    });
    await refused({}).toMatchObject(damaged);
  }

  const draft = (name: string) => join(folder, `.${name}.safetensors.0123456789ab.tmp`);
  for (const name of ['stopped', 'stopped.state', 'stopped-000002', 'stopped-other'])
    await writeFile(draft(name), state);
  const kill = new AbortController();
  const began = ({ phase }: { phase: string }) => phase === 'preparing' && kill.abort(new Error('killed'));
  const again = trainAdapter({ ...stopped, restart: true }, { signal: kill.signal, onProgress: began });
  await expect(again).rejects.toThrow('killed');
  await expect(access(statePath)).rejects.toThrow(/ENOENT/);
  const left = (await readdir(folder)).filter((name) => name.endsWith('.tmp'));
  expect(left).toEqual(['.stopped-other.safetensors.0123456789ab.tmp']);
});

it('a folder can hold more photos than a process can have files open', async () => {
  const room = join(import.meta.dirname, '../../gpu-worker');
  const script = `
    import { openModel } from ${JSON.stringify(join(room, 'models/open-model.ts'))};
    import { runIdentity } from ${JSON.stringify(join(room, 'training/run-identity.ts'))};
    const photos = Array(400).fill(${JSON.stringify(photos[0])});
    const identity = await runIdentity(await openModel(${JSON.stringify(model)}), { photos, masks: photos }, photos);
    console.log(identity.photos.length, identity.masks.length, identity.classPictures.length);
  `;
  const words = [process.execPath, ...nodeOptions, '--input-type=module', '-e', script];
  const { stdout } = await promisify(execFile)('bash', [
    '-c',
    'ulimit -n 200 && exec "$@"',
    'bash',
    ...words,
  ]);
  expect(stdout.trim()).toBe('400 400 400');
});
