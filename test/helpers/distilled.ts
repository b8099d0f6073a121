/** @file The tiny UNets of test/fixtures/distilled, in folders and single files; the README there says what each is. */
import { readFileSync } from 'node:fs';
import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  openSafetensors,
  readFloats,
  readTensor,
  writeSafetensors,
  type TensorToWrite,
} from '../../gpu-worker/models/safetensors.ts';
import { gunzipSync } from 'node:zlib';
import type { FixtureTensor } from './fixtures.ts';
import { tinyFolder, tinySingleFile, type RunFacts } from './sd-fixtures.ts';

const FOLDER = join(import.meta.dirname, '../fixtures/distilled');

export const DISTILLED = ['bk-small', 'bk-tiny', 'ssd', 'koala', 'lcm'] as const;
export type DistilledName = (typeof DISTILLED)[number];

interface Facts {
  /** The tiny model that gives the other parts. */
  readonly base: 'sd15' | 'sdxl';
  readonly run: RunFacts;
  readonly scale: number;
  readonly parameters: number;
}

/** A run in few steps by diffusers' pipelines, with their settings. */
export interface FewSteps {
  readonly base: 'sd15' | 'sd21' | 'sdxl';
  readonly scheduler: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly seed: number;
  readonly prompt: string;
  readonly num_inference_steps: number;
  readonly guidance_scale: number;
  readonly eta?: number;
}

type Index = Readonly<Record<DistilledName, Facts>> & { readonly few: Readonly<Record<string, FewSteps>> };
const INDEX = JSON.parse(readFileSync(join(FOLDER, 'index.json'), 'utf8')) as Index;

export const FEW_STEPS = INDEX.few;

/** A published UNet by the names and shapes of its tensors. */
export interface FullSizeUnet {
  readonly base: 'sd15' | 'sdxl';
  /** Counted by torch. */
  readonly parameters: number;
  readonly folder: Readonly<Record<string, readonly number[]>>;
  readonly single: Readonly<Record<string, readonly number[]>>;
  readonly config: Readonly<Record<string, unknown>>;
}

export function readFullSizeUnets(): Readonly<Record<string, FullSizeUnet>> {
  return JSON.parse(gunzipSync(readFileSync(join(FOLDER, 'full-size.json.gz'))).toString()) as Record<
    string,
    FullSizeUnet
  >;
}

/** Writes a model's diffusers folder: its own UNet, and the other parts of the model that it comes from. */
export async function writeDistilled(name: DistilledName, to: string): Promise<string> {
  await cp(tinyFolder(INDEX[name].base), to, { recursive: true });
  await rm(join(to, 'unet'), { recursive: true });
  await cp(join(FOLDER, name, 'unet'), join(to, 'unet'), { recursive: true });
  if (name !== 'lcm') return to;
  // As SimianLuo/LCM_Dreamshaper_v7 names its parts.
  const index = join(to, 'model_index.json');
  const parts = JSON.parse(await readFile(index, 'utf8')) as Record<string, unknown>;
  const own = { _class_name: 'LatentConsistencyModelPipeline', scheduler: ['diffusers', 'LCMScheduler'] };
  await writeFile(index, JSON.stringify({ ...parts, ...own }));
  const scheduler = {
    _class_name: 'LCMScheduler',
    beta_start: 0.00085,
    beta_end: 0.012,
    beta_schedule: 'scaled_linear',
    num_train_timesteps: 1000,
    original_inference_steps: 50,
    timestep_spacing: 'leading',
  };
  await writeFile(join(to, 'scheduler/scheduler_config.json'), JSON.stringify(scheduler));
  return to;
}

/** Writes a model's single file: the tensors of the model that it comes from, with its own UNet's in place of theirs. */
export async function writeDistilledFile(name: DistilledName, to: string): Promise<string> {
  const tensors = new Map<string, TensorToWrite>();
  const files = [tinySingleFile(INDEX[name].base), join(FOLDER, name, 'original-names.safetensors')];
  for (const [file, path] of files.entries())
    for (const [key, tensor] of (await openSafetensors(path)).tensors)
      if (tensor.dtype === 'F16' && (file === 1 || !key.startsWith('model.diffusion_model.')))
        tensors.set(key, { dtype: 'F32', shape: tensor.shape, data: await readFloats(tensor) });
  await writeSafetensors(to, tensors);
  return to;
}

export async function distilledReference(name: DistilledName) {
  return { ...(await reader(join(FOLDER, name, 'reference.safetensors'))), facts: INDEX[name] };
}

export const fewStepsReference = () => reader(join(FOLDER, 'few.safetensors'));

async function reader(path: string) {
  const tensors = new Map<string, FixtureTensor>();
  for (const [key, stored] of (await openSafetensors(path)).tensors) {
    const data = await readTensor(stored);
    const floats =
      data instanceof Float32Array ? data : Float32Array.from(data as Iterable<number | bigint>, Number);
    tensors.set(key, { shape: stored.shape, data: floats });
  }
  return {
    /** @throws Error when there is none of that name */
    tensor: (key: string): FixtureTensor => {
      const found = tensors.get(key);
      if (found === undefined) throw new Error(`${path} has no tensor ${key}`);
      return found;
    },
  };
}
