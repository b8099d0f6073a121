/** @file One adapter of every kind of file that is written here, for the tiny model, with fixed numbers. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { adapterLayers, adapterLayout, type AdapterLayers } from '../../gpu-worker/adapters/adapter.ts';
import { adapterBase } from '../../gpu-worker/adapters/files/adapter-base.ts';
import type { AdapterInfo } from '../../gpu-worker/adapters/files/adapter-info.ts';
import { writeAdapter } from '../../gpu-worker/adapters/files/write-adapter.ts';
import { convertAdapter } from '../../gpu-worker/adapters/files/convert.ts';
import { ADAPTER_METHODS, type MethodOptions } from '../../gpu-worker/adapters/methods.ts';
import { openModelFolder, type ModelFolder } from '../../gpu-worker/models/model-folder.ts';
import { KeyedRandom } from '../../core/random.ts';
import type { Method } from '../../core/settings/choices.ts';
import { TINY_MODEL } from './fixtures.ts';

/** What is trained: by name, with how large its numbers are. */
interface Trained {
  readonly method: Method;
  readonly size: number;
  readonly options: MethodOptions;
  /** The one text encoder that it changes. */
  readonly encoder?: 'text_encoder' | 'text_encoder_2';
}
const TEXT = ['text-encoders'] as const;
const ADAPTERS: Readonly<Record<string, Trained>> = {
  krona: { method: 'krona', size: 0.4, options: { a1: 4, a2: 2 } },
  square: { method: 'krona', size: 0.4, options: { a1: 4, a2: 4 } },
  pairs: {
    method: 'krona',
    size: 0.4,
    options: {
      a1: 4,
      a2: 2,
      factors: { k: [2, 8], v: [8, 4], ff: [1, 8] },
      targets: ['attention', 'feed-forward', 'text-encoders'],
    },
  },
  lora: { method: 'lora', size: 0.4, options: { a1: 1, a2: 1, rank: 4, alpha: 2 } },
  'lora-all': {
    method: 'lora',
    size: 0.4,
    options: { a1: 1, a2: 1, rank: 3, targets: ['attention', 'feed-forward', 'text-encoders'] },
  },
  full: { method: 'full', size: 0.05, options: { a1: 1, a2: 1 } },
  text: { method: 'krona', size: 0.4, options: { a1: 4, a2: 4, targets: TEXT }, encoder: 'text_encoder' },
  'text-2': {
    method: 'lora',
    size: 0.4,
    options: { a1: 1, a2: 1, rank: 2, targets: TEXT },
    encoder: 'text_encoder_2',
  },
};

/** Made of others by converting: source, target, names. */
const CONVERTED = {
  'square-peft': ['square', 'peft', 'kohya'],
  'lora-peft': ['lora', 'peft', 'kohya'],
  'text-peft': ['text', 'peft', 'kohya'],
  'text-2-peft': ['text-2', 'peft', 'kohya'],
  'lora-diffusers': ['lora-all', 'lora', 'diffusers'],
  'lora-lokr': ['lora', 'lokr', 'kohya'],
  'krona-lora': ['krona', 'lora', 'kohya'],
  'pairs-lora': ['pairs', 'lora', 'kohya'],
} as const;

export interface OurAdapter {
  readonly name: string;
  /** A .safetensors file, or PEFT's folder. */
  readonly path: string;
  readonly layers: AdapterLayers;
}

/** Numbers in ±size that are the same on every machine. */
function randomLayers(model: ModelFolder, name: keyof typeof ADAPTERS): AdapterLayers {
  const { method, size, options, encoder } = ADAPTERS[name]!;
  const shapes = ADAPTER_METHODS[method].shapes(model, options);
  const layout = adapterLayout(shapes);
  const random = new KeyedRandom(1, name);
  const flat = Float32Array.from({ length: layout.length }, () => size * (2 * random.uniform() - 1));
  const layers = adapterLayers(shapes, flat);
  return encoder ? new Map([...layers].filter(([path]) => path.startsWith(`${encoder}.`))) : layers;
}

/** Writes all of them into a folder: the same bytes every time. */
export async function writeOurAdapters(folder: string): Promise<OurAdapter[]> {
  const model = await openModelFolder(TINY_MODEL);
  const base = adapterBase(model);
  await mkdir(folder, { recursive: true });
  const written: OurAdapter[] = [];
  for (const [name, { method, options }] of Object.entries(ADAPTERS)) {
    const layers = randomLayers(model, name);
    const path = join(folder, `${name}.safetensors`);
    const info: AdapterInfo = {
      baseModel: 'sdxl-tiny',
      baseHash: 'abc',
      ...ADAPTER_METHODS[method].facts(options),
      subjectToken: 'sks',
      subjectClass: 'cat',
      steps: 20,
      seed: 1,
      resolution: 64,
      predictionType: 'epsilon',
      settings: { method },
    };
    await writeAdapter(path, layers, model, info);
    written.push({ name, path, layers });
  }
  for (const [name, [source, to, names]] of Object.entries(CONVERTED)) {
    const path = join(folder, to === 'peft' ? name : `${name}.safetensors`);
    const from = written.find((each) => each.name === source)!;
    const { error } = await convertAdapter(from.path, { to, out: path, names, base });
    if (error !== 0) throw new Error(`${name} is not exact`);
    written.push({ name, path, layers: from.layers });
  }
  return written;
}
