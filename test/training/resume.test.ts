/** A run is resumed as itself, whatever its files are called and wherever they lie, and is never lost by accident. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openSafetensors } from '../../gpu-worker/models/safetensors.ts';
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
  for (const part of ['text_encoder/model', 'vae/diffusion_pytorch_model']) {
    const path = join(model, `${part}.safetensors`);
    const bytes = await readFile(path);
    const { tensors } = await openSafetensors(path);
    const { offset, length } = [...tensors.values()].at(-1)!;
    const changed = Buffer.from(bytes);
    changed[offset + length - 1]! ^= 1;
    await writeFile(path, changed);
    await refused({}).toMatchObject({ message: /other weights of the model/ });
    await writeFile(path, bytes);
  }
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
