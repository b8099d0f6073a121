/**
 * @file Determines whether a single file's model predicts noise or velocity, which no tensor's shape shows. Sources, in
 * order: markers that trainers leave among the tensors, the file's metadata, a config beside it, and for SD 2.x its
 * weights.
 */
import { dirname, join } from 'node:path';
import { KronaError } from '../../../core/errors.ts';
import { readFloats, type SafetensorsFile, type StoredTensor } from '../safetensors.ts';
import { readSmallFile } from '../small-file.ts';
import { UNET_PREFIX, type SingleFileModel } from './architectures.ts';

export interface Prediction {
  readonly velocity: boolean;
  /** The last timestep is only noise (Lin et al. 2023, arXiv 2305.08891). */
  readonly zeroSnr: boolean;
}

/**
 * Limit on the standard deviation of the biases in the last attention's first norm: 768-v's are far wider than base's.
 * The only known sign in the weights; ComfyUI uses it too, with this limit.
 */
const VELOCITY_SPREAD = 0.09;
const LAST_NORM = /^output_blocks\.(\d+)\.1\.transformer_blocks\.0\.norm1\.bias$/;

/** @param path of the file as given: a config can lie beside a link */
export async function predictionOf(
  file: SafetensorsFile,
  model: SingleFileModel,
  path: string,
): Promise<Prediction> {
  if (file.tensors.has('edm_mean') || file.tensors.has('edm_vpred.sigma_max'))
    throw new KronaError(
      'MODEL_ARCHITECTURE_UNSUPPORTED',
      `${file.name} was trained with EDM preconditioning; supported: models that predict noise or velocity.`,
    );
  if (model.velocity === null) return { velocity: false, zeroSnr: false };
  const zeroSnr = file.tensors.has('ztsnr');
  if (file.tensors.has('v_pred')) return { velocity: true, zeroSnr };
  const said = file.metadata.get('modelspec.prediction_type') ?? (await besides(path));
  if (said !== null) return { velocity: /^v/.test(said), zeroSnr };
  return { velocity: model.architecture === 'sd2' && (await isWide(file)), zeroSnr };
}

/** `parameterization` of the original config that web UIs expect beside a file; `eps` by default. */
async function besides(path: string): Promise<string | null> {
  const yaml = join(dirname(path), path.slice(dirname(path).length).replace(/\.safetensors$/i, '.yaml'));
  const text = await readSmallFile(yaml);
  if (text === null) return null;
  return /^[ \t]*parameterization:[ \t]*["']?(\w+)/m.exec(text)?.[1] ?? 'eps';
}

async function isWide(file: SafetensorsFile): Promise<boolean> {
  let last: { readonly layer: number; readonly tensor: StoredTensor } | null = null;
  for (const [name, tensor] of file.tensors) {
    const layer = Number(LAST_NORM.exec(name.replace(UNET_PREFIX, ''))?.[1] ?? -1);
    if (layer > (last?.layer ?? -1)) last = { layer, tensor };
  }
  if (last === null) return false;
  const biases = await readFloats(last.tensor);
  const mean = biases.reduce((sum, x) => sum + x, 0) / biases.length;
  return Math.sqrt(biases.reduce((sum, x) => sum + (x - mean) ** 2, 0) / biases.length) > VELOCITY_SPREAD;
}
