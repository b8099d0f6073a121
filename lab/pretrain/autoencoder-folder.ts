/** @file An autoencoder folder in the format of diffusers' AutoencoderKL: config.json beside the weights. */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KronaError } from '../../core/errors.ts';
import { writeWhole } from '../../core/files.ts';
import * as op from '../../gpu-worker/graph/ops.ts';
import type { Shape } from '../../gpu-worker/graph/primitives.ts';
import { isJsonObject } from '../../core/json-object.ts';
import { vaeConfig, type VaeConfig } from '../../gpu-worker/models/model-configs.ts';
import { parametersOf, type Parameters, type ParameterShape } from '../../gpu-worker/models/parameters.ts';
import { openSafetensors, readFloats, writeSafetensors } from '../../gpu-worker/models/safetensors.ts';
import { vaeDecoder, vaeEncoder, vaeScale } from '../../gpu-worker/models/vae.ts';

const WEIGHTS = 'diffusion_pytorch_model.safetensors';
/** Names what an autoencoder, or a folder of photos, comes from. */
export const LICENSES = 'LICENSES.md';

/** A parameter's values as stored in the file. */
export interface StoredValues {
  readonly shape: Shape;
  readonly data: Float32Array;
}

export interface StoredAutoencoder {
  readonly config: VaeConfig;
  readonly tensors: ReadonlyMap<string, StoredValues>;
}

/** @param folder such as `models/krona-emoji/vae` @throws KronaError MODEL_CONFIG_*, FILE_NOT_FOUND, SAFETENSORS_* */
export async function readAutoencoder(folder: string): Promise<StoredAutoencoder> {
  const raw: unknown = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8'));
  const { tensors } = await openSafetensors(join(folder, WEIGHTS));
  const read = [...tensors].map(
    async ([name, tensor]) => [name, { shape: tensor.shape, data: await readFloats(tensor) }] as const,
  );
  return {
    config: vaeConfig('vae', isJsonObject(raw) ? raw : {}),
    tensors: new Map(await Promise.all(read)),
  };
}

/** Weights in half precision. @param raw the config.json @param parameters by name; others are ignored */
export async function writeAutoencoder(
  folder: string,
  raw: Readonly<Record<string, unknown>>,
  parameters: ReadonlyMap<string, Float32Array>,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const tensors = autoencoderParameters(vaeConfig('vae', raw)).flatMap(({ name, shape }) => {
    const data = parameters.get(name);
    return data ? [[name, { dtype: 'F16' as const, shape, data }] as const] : [];
  });
  await writeSafetensors(join(folder, WEIGHTS), new Map(tensors), new Map([['format', 'pt']]));
  await writeWhole(join(folder, 'config.json'), `${JSON.stringify(raw, null, 2)}\n`);
}

/**
 * The parameters of a trained autoencoder for a run that trains none of its own.
 *
 * @throws KronaError PRETRAIN_CONFIG when its sizes differ from the run's configuration
 */
export async function givenAutoencoder(
  folder: string,
  config: VaeConfig,
): Promise<Map<string, Float32Array>> {
  const { tensors } = await readAutoencoder(folder);
  return new Map(
    autoencoderParameters(config).map(({ name, shape }) => {
      const stored = tensors.get(name);
      if (stored?.shape.join() === shape.join()) return [name, stored.data] as const;
      const came = stored ? `[${stored.shape.join(', ')}]` : 'missing';
      throw new KronaError(
        'PRETRAIN_CONFIG',
        `The autoencoder of --autoencoder doesn't have the sizes of models.vae in the configuration: ${name} is ${came}; ` +
          `expected [${shape.join(', ')}]. Copy its config.json into models.vae.`,
      );
    }),
  );
}

/** Names and shapes of both halves' parameters, in the order of the forward pass. */
export function autoencoderParameters(config: VaeConfig): ParameterShape[] {
  const side = vaeScale(config);
  return parametersOf((p: Parameters) => [
    vaeEncoder(config, p, op.input('pictures', [1, config.in_channels, side, side])),
    vaeDecoder(config, p, op.input('latents', [1, config.latent_channels, 1, 1])),
  ]);
}
