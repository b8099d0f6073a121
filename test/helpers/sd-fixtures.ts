/** @file The tiny models of test/fixtures/sd-tiny and their reference values; the README there says what each is. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { ModelFolder } from '../../gpu-worker/models/model-folder.ts';
import { openModel } from '../../gpu-worker/models/open-model.ts';
import { openSafetensors, readTensor } from '../../gpu-worker/models/safetensors.ts';
import {
  SINGLE_FILE_MODELS,
  type SingleFileModel,
} from '../../gpu-worker/models/single-file/architectures.ts';
import { openSingleFile } from '../../gpu-worker/models/single-file/open-single-file.ts';
import { TINY_MODEL, type FixtureTensor } from './fixtures.ts';

const FOLDER = join(import.meta.dirname, '../fixtures/sd-tiny');

export type TinyName = 'sd15' | 'sd21' | 'refiner' | 'sdxl';

/** Each tiny model's folder; `sdxl` is sdxl-tiny's, of which there is a single file here. */
export const tinyFolder = (name: TinyName): string =>
  name === 'sdxl' ? TINY_MODEL : join(FOLDER, name, 'model');
export const tinySingleFile = (name: TinyName): string => join(FOLDER, 'single', `${name}.safetensors`);
export const PLAIN_VAE = join(FOLDER, 'vae-plain');

const ARCHITECTURE = { sd15: 'sd1', sd21: 'sd2', sdxl: 'sdxl', refiner: 'sdxl-refiner' } as const;

/** The table of single files with the configs of the tiny models in place of the real ones. */
export const TINY_SINGLE_FILES: readonly SingleFileModel[] = SINGLE_FILE_MODELS.map((model) => {
  const name = (Object.keys(ARCHITECTURE) as TinyName[]).find(
    (key) => ARCHITECTURE[key] === model.architecture,
  )!;
  const config = (part: string) => json(join(tinyFolder(name), part, 'config.json'));
  const [first, ...more] = model.textEncoders.map((encoder) => ({
    ...encoder,
    config: config(encoder.part),
  }));
  const scheduler = json(join(tinyFolder(name), 'scheduler/scheduler_config.json'));
  return {
    ...model,
    unet: config('unet'),
    vae: config('vae'),
    textEncoders: [first!, ...more],
    // sd21's folder is of a model that predicts velocity; the others' are of none that does.
    ...(name === 'sd21'
      ? { velocity: { unet: {}, scheduler } }
      : { scheduler, velocity: model.velocity && { ...model.velocity, unet: {} } }),
  };
});

/** A tiny model from its folder or its single file: both hold the same numbers. */
export function openTiny(name: TinyName, form: 'folder' | 'single file'): Promise<ModelFolder> {
  return form === 'folder'
    ? openModel(tinyFolder(name))
    : openSingleFile(tinySingleFile(name), TINY_SINGLE_FILES);
}

export interface RunFacts {
  readonly prompt: string;
  readonly negative_prompt: string;
  readonly num_inference_steps: number;
  readonly guidance_scale: number;
  readonly seed: number;
}

export async function readReference(name: TinyName | 'vae-plain') {
  const tensors = new Map<string, FixtureTensor>();
  for (const [key, stored] of (await openSafetensors(join(FOLDER, name, 'reference.safetensors'))).tensors) {
    const data = await readTensor(stored);
    tensors.set(key, {
      shape: stored.shape,
      data:
        data instanceof Float32Array ? data : Float32Array.from(data as Iterable<number | bigint>, Number),
    });
  }
  const index = json(join(FOLDER, 'index.json')) as Record<
    string,
    { prompts: string[]; run: RunFacts; scale: number }
  >;
  return {
    /** @throws Error when there is none of that name */
    tensor: (key: string): FixtureTensor => {
      const found = tensors.get(key);
      if (found === undefined) throw new Error(`${name}/reference.safetensors has no tensor ${key}`);
      return found;
    },
    facts: index[name]!,
  };
}

/** A published model by the names and shapes of its tensors. */
export interface FullSize {
  /** By part, counted by torch. */
  readonly parameters: Readonly<Record<string, number>>;
  readonly folder: Readonly<Record<string, Readonly<Record<string, readonly number[]>>>>;
  readonly single: Readonly<Record<string, readonly number[]>>;
  readonly configs: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

export function readFullSize(): Readonly<Record<TinyName, FullSize>> {
  return JSON.parse(gunzipSync(readFileSync(join(FOLDER, 'full-size.json.gz'))).toString()) as Record<
    TinyName,
    FullSize
  >;
}

function json(path: string): Record<string, unknown> {
  return JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
}
