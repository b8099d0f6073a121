/** @file The training pictures as latents, encoded once with the run's autoencoder. */
import { concatenated } from '../../core/concatenated.ts';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { compile } from '../../gpu-worker/graph/compile.ts';
import * as op from '../../gpu-worker/graph/ops.ts';
import { Session } from '../../gpu-worker/graph/runtime.ts';
import { givenParameters, parametersOf } from '../../gpu-worker/models/parameters.ts';
import {
  openSafetensors,
  readTensor,
  writeSafetensors,
  type TensorToWrite,
} from '../../gpu-worker/models/safetensors.ts';
import { vaeEncoder, vaeScale } from '../../gpu-worker/models/vae.ts';
import { openBatches } from './composite-worker.ts';
import { LATENTS_A_FILE } from './config-schema.ts';
import type { PretrainConfig } from './pretrain-config.ts';
import type { SpriteSheet } from './sprites.ts';

export interface LatentCache {
  /** [pictures, channels, side, side], not scaled. */
  readonly latents: Float32Array;
  /** Several for each picture, none empty. */
  readonly captions: readonly (readonly string[])[];
  /** 1 / standard deviation of all latents: the VAE's scaling_factor. */
  readonly scalingFactor: number;
}

/**
 * Encodes missing pictures with this autoencoder, as the posterior's mean, and reads all latents.
 *
 * @param onProgress after each encoded batch, with pictures done and total; awaited
 * @throws KronaError DISK_FULL, FILE_UNWRITABLE
 */
export async function cacheLatents(
  config: PretrainConfig,
  sheet: SpriteSheet,
  autoencoder: ReadonlyMap<string, Float32Array>,
  folder: string,
  onProgress: (done: number, all: number) => Promise<void>,
): Promise<LatentCache> {
  const { pictures } = config.training.latents;
  const belongsTo = parametersFingerprint(autoencoder);
  const captions: (readonly string[])[] = [];
  const parts: Float32Array[] = [];
  for (let start = 0; start < pictures; start += LATENTS_A_FILE) {
    const path = join(folder, `latents-${start}.safetensors`);
    const known = await openSafetensors(path).catch(() => null);
    if (known?.metadata.get('autoencoder') !== belongsTo) {
      const part = await encodePart(config, sheet, autoencoder, start, (done) =>
        onProgress(start + done, pictures),
      );
      await writeSafetensors(
        path,
        new Map([['latents', part.latents]]),
        new Map([
          ['autoencoder', belongsTo],
          ['captions', JSON.stringify(part.captions)],
        ]),
      );
    }
    const { tensors, metadata } = await openSafetensors(path);
    parts.push((await readTensor(tensors.get('latents')!)) as Float32Array);
    captions.push(...(JSON.parse(metadata.get('captions')!) as string[][]));
  }
  const latents = concatenated(parts);
  return { latents, captions, scalingFactor: 1 / deviation(latents) };
}

async function encodePart(
  config: PretrainConfig,
  sheet: SpriteSheet,
  autoencoder: ReadonlyMap<string, Float32Array>,
  start: number,
  onProgress: (done: number) => Promise<void>,
): Promise<{ latents: TensorToWrite; captions: readonly (readonly string[])[] }> {
  const { size } = config.data;
  const { batch } = config.training.latents;
  const image = op.input('image', [batch, 3, size, size]);
  const shapes = parametersOf((p) => vaeEncoder(config.vae, p, image).mean);
  const constants = new Map(
    shapes.map(({ name, shape }) => [name, op.constant(autoencoder.get(name)!, shape)]),
  );
  const { mean } = vaeEncoder(config.vae, givenParameters(constants), image);
  const session = await Session.create(compile({ mean }));
  const source = openBatches(config.data, sheet, {
    kind: 'pictures',
    seed: config.training.seed + 2,
    batchSize: batch,
    start,
  });
  const side = size / vaeScale(config.vae);
  const each = config.vae.latent_channels * side * side;
  const latents = new Float32Array(LATENTS_A_FILE * each);
  const captions: (readonly string[])[] = [];
  try {
    for (let done = 0; done < LATENTS_A_FILE; done += batch) {
      const pictures = await source.next();
      const encoded = await session.run({ image: pictures.images });
      latents.set(encoded.mean, done * each);
      captions.push(...pictures.captions);
      await onProgress(done + batch);
    }
  } finally {
    await source.close();
    await session.release();
  }
  const shape = [LATENTS_A_FILE, config.vae.latent_channels, side, side];
  return { latents: { dtype: 'F32', shape, data: latents }, captions };
}

/** Hash of all parameters: lower-case hex, 16 digits. */
export function parametersFingerprint(parameters: ReadonlyMap<string, Float32Array>): string {
  const hash = createHash('sha256');
  for (const [name, { buffer, byteOffset, byteLength }] of parameters)
    hash.update(name).update(new Uint8Array(buffer, byteOffset, byteLength));
  return hash.digest('hex').slice(0, 16);
}

function deviation(values: Float32Array): number {
  let [sum, squares] = [0, 0];
  for (const x of values) {
    sum += x;
    squares += x * x;
  }
  return Math.sqrt(squares / values.length - (sum / values.length) ** 2);
}
