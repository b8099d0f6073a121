/** @file Numbers that are NaN or infinite: which stage made them, and which tensor of a file holds them. */
import { KronaError } from '../../core/errors.ts';
import type { ModelFolder } from './model-folder.ts';
import { readTensor, type StoredTensor } from './safetensors.ts';

type Parts = Pick<ModelFolder, 'textEncoders' | 'unet' | 'vae'>;

/**
 * Passes numbers that a stage made, or says which stage made others, and by what tensor of the model if one is damaged:
 * only then are its files read.
 *
 * @param stage e.g. `Decoding by the VAE`
 * @throws KronaError RESULT_NOT_FINITE
 */
export async function checkFinite(values: Float32Array, stage: string, model: Parts): Promise<void> {
  if (values.every(Number.isFinite)) return;
  await checkWeights(model, stage);
  throw new KronaError(
    'RESULT_NOT_FINITE',
    `${stage} gave numbers that are NaN or infinite. The model's files have none. Try ` +
      '32-bit numbers, such as on the CPU, or in drawing a lower guidance scale or adapter strength.',
  );
}

/**
 * Finds the damaged tensor behind a stage's numbers that are NaN or infinite; reads the whole model if there is none.
 *
 * @throws KronaError RESULT_NOT_FINITE
 */
export async function checkWeights({ textEncoders, unet, vae }: Parts, stage: string): Promise<void> {
  for (const { name, tensors } of [unet, vae, ...textEncoders]) {
    const damaged = await nonFinite(tensors);
    if (damaged !== null)
      throw new KronaError(
        'RESULT_NOT_FINITE',
        `${stage} gave numbers that are NaN or infinite, because the model's ${name} holds such numbers in ${damaged}. ` +
          'Download the model again.',
      );
  }
}

/** The first tensor of floats with a number that is NaN or infinite; null if there is none. */
export async function nonFinite(tensors: ReadonlyMap<string, StoredTensor>): Promise<string | null> {
  for (const [name, tensor] of tensors) {
    if (!/^(?:F16|BF16|F32|F64)$/.test(tensor.dtype)) continue;
    const values = await readTensor(tensor);
    if (values instanceof Float32Array && !values.every(Number.isFinite)) return name;
  }
  return null;
}
