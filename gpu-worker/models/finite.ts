/** @file Numbers that are NaN or infinite: which stage made them, and which tensor of a file holds them. */
import { KronaError } from '../../core/errors.ts';
import type { ModelFolder } from './model-folder.ts';
import { readTensor, type StoredTensor } from './safetensors.ts';

/**
 * Passes numbers that a stage made, or says which stage made others, and by what tensor of the model if one is damaged:
 * only then are its files read.
 *
 * @param stage e.g. `Decoding by the VAE`
 * @throws KronaError RESULT_NOT_FINITE
 */
export async function checkFinite(
  values: Float32Array,
  stage: string,
  { textEncoders, unet, vae }: Pick<ModelFolder, 'textEncoders' | 'unet' | 'vae'>,
): Promise<void> {
  if (values.every(Number.isFinite)) return;
  for (const { name, tensors } of [unet, vae, ...textEncoders]) {
    const damaged = await nonFinite(tensors);
    if (damaged === null) continue;
    throw new KronaError(
      'RESULT_NOT_FINITE',
      `${stage} gave numbers that are NaN or infinite, because the model's ${name} holds such numbers in ${damaged}. ` +
        'Download the model again.',
    );
  }
  throw new KronaError(
    'RESULT_NOT_FINITE',
    `${stage} gave numbers that are NaN or infinite. Try a lower guidance scale or adapter strength, or 32-bit numbers; the ` +
      "model's files have none.",
  );
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
