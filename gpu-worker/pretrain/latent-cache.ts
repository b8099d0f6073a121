/** @file The training pictures as latents, encoded once: the autoencoder does not change any more. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KronaError } from '../../storage/errors.ts';
import { compile } from '../graph/compile.ts';
import * as op from '../graph/ops.ts';
import { Session } from '../graph/runtime.ts';
import { givenParameters, parametersOf } from '../models/parameters.ts';
import { openSafetensors, readTensor, writeSafetensors } from '../models/safetensors.ts';
import { vaeEncoder, vaeScale } from '../models/vae.ts';
import { openBatches } from './composite-worker.ts';
import type { PretrainConfig } from './pretrain-config.ts';
import type { SpriteSheet } from './sprites.ts';

export interface LatentCache {
  /** [pictures, 4, side, side], not scaled. */
  readonly latents: Float32Array;
  /** Of each picture. */
  readonly captions: readonly string[];
  /** 1 / standard deviation of all latents: the VAE's scaling_factor. */
  readonly scalingFactor: number;
}

/** Pictures in one file: what is lost at most when the run is stopped. */
const PART = 1024;

/** Encodes what is not encoded yet, with the posterior's mean, and reads everything. */
export async function cacheLatents(
  config: PretrainConfig,
  sheet: SpriteSheet,
  autoencoder: ReadonlyMap<string, Float32Array>,
  folder: string,
  onProgress: (done: number, all: number) => void,
): Promise<LatentCache> {
  const { pictures, batch } = config.training.latents;
  if (pictures % PART !== 0 || PART % batch !== 0) {
    throw new KronaError(
      'PRETRAIN_CONFIG',
      `latents.pictures must be a multiple of ${PART}, and latents.batch divide ${PART}.`,
    );
  }
  const captions: string[] = [];
  const parts: Float32Array[] = [];
  for (let start = 0; start < pictures; start += PART) {
    const path = join(folder, `latents-${start}.safetensors`);
    const known = await openSafetensors(path).catch(() => null);
    if (!known)
      await encodePart(config, sheet, autoencoder, path, start, (done) => onProgress(start + done, pictures));
    const file = known ?? (await openSafetensors(path));
    parts.push((await readTensor(file.tensors.get('latents')!)) as Float32Array);
    captions.push(...(JSON.parse(await readFile(`${path}.captions.json`, 'utf8')) as string[]));
  }
  const latents = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.forEach((part, i) => latents.set(part, i * parts[0]!.length));
  return { latents, captions, scalingFactor: 1 / deviation(latents) };
}

async function encodePart(
  config: PretrainConfig,
  sheet: SpriteSheet,
  autoencoder: ReadonlyMap<string, Float32Array>,
  path: string,
  start: number,
  onProgress: (done: number) => void,
): Promise<void> {
  const { size } = config.data;
  const { batch } = config.training.latents;
  const image = op.input('image', [batch, 3, size, size]);
  const shapes = parametersOf((p) => vaeEncoder(config.vae, p, image).mean);
  const constants = new Map(
    shapes.map(({ name, shape }) => [name, op.constant(autoencoder.get(name)!, shape)]),
  );
  const session = await Session.create(
    compile({ mean: vaeEncoder(config.vae, givenParameters(constants), image).mean }),
  );
  const source = openBatches(config.data, sheet, {
    kind: 'pictures',
    seed: config.training.seed + 2,
    batchSize: batch,
    start,
  });
  const side = size / vaeScale(config.vae);
  const each = config.vae.latent_channels * side * side;
  const latents = new Float32Array(PART * each);
  const captions: string[] = [];
  try {
    for (let done = 0; done < PART; done += batch) {
      const pictures = await source.next();
      const { mean } = await session.run({ image: pictures.images });
      latents.set(mean as Float32Array, done * each);
      captions.push(...pictures.captions);
      onProgress(done + batch);
    }
  } finally {
    await source.close();
    await session.release();
  }
  await writeFile(`${path}.captions.json`, JSON.stringify(captions));
  const shape = [PART, config.vae.latent_channels, side, side];
  await writeSafetensors(path, new Map([['latents', { dtype: 'F32', shape, data: latents }]]));
}

function deviation(values: Float32Array): number {
  let [sum, squares] = [0, 0];
  for (const x of values) {
    sum += x;
    squares += x * x;
  }
  return Math.sqrt(squares / values.length - (sum / values.length) ** 2);
}
