/**
 * @file Facts that only an adapter file's metadata hold: the architecture and prediction that it was trained for, and the
 * scale. Keys: sd-scripts library/train_util.py, sai_model_spec.py; LyCORIS's network arguments.
 */
import { KronaError } from '../../../core/errors.ts';
import { SMALL_MODEL } from '../../../core/settings/model-card.ts';
import { modelFingerprint } from '../../models/fingerprint.ts';
import type { ModelFolder } from '../../models/model-folder.ts';
import type { SafetensorsFile } from '../../models/safetensors.ts';
import { modelCard } from '../model-card.ts';
import type { AdapterBase } from './adapter-base.ts';
import { FAMILIES, parseJson, type Family } from './adapter-info.ts';

type Metadata = ReadonlyMap<string, string>;
export type Prediction = 'epsilon' | 'v_prediction';

const LABELS: Readonly<Record<Family, string>> = {
  sd1: 'Stable Diffusion 1.x',
  sd2: 'Stable Diffusion 2.x',
  sdxl: 'SDXL',
};

const FAMILY_SIGNS = [
  ['sd1', /^sd_v1|^stable-diffusion-v1/],
  ['sd2', /^sd_v2|^stable-diffusion-v2/],
  ['sdxl', /^sdxl|^stable-diffusion-xl/],
] as const;

/** By kohya's word for the base, or the model specification's; null if neither is given and known. */
export function statedFamily(metadata: Metadata): Family | null {
  const said = [metadata.get('ss_base_model_version'), metadata.get('modelspec.architecture')];
  for (const text of said)
    for (const [family, sign] of FAMILY_SIGNS) if (sign.test(text ?? '')) return family;
  return null;
}

/** What its model predicted in training; null if the file doesn't say it. */
function statedPrediction(metadata: Metadata): Prediction | null {
  const said = metadata.get('krona.prediction_type') ?? metadata.get('modelspec.prediction_type');
  if (said !== undefined) return /^v/.test(said) ? 'v_prediction' : said === 'epsilon' ? said : null;
  return /^sd_v[12]_v$/.test(metadata.get('ss_base_model_version') ?? '') ? 'v_prediction' : null;
}

/**
 * Refuses an adapter of another architecture even if its shapes agree: SD 1.5 and SD 2.1 differ only in the width of the
 * text. A file that says nothing passes.
 *
 * @throws KronaError ADAPTER_BASE_MISMATCH
 */
export function checkStatedFamily({ name, metadata }: SafetensorsFile, base: AdapterBase): void {
  const stated = statedFamily(metadata);
  if (stated === null || base.family === undefined || stated === base.family) return;
  const said = metadata.get('ss_base_model_version') ?? metadata.get('modelspec.architecture');
  throw new KronaError(
    'ADAPTER_BASE_MISMATCH',
    `${name} was made for another model: its base is ${LABELS[stated]} (${said}), and ${base.name} is ` +
      `${LABELS[base.family]}; expected ${FAMILIES[base.family].version} or none. Use a ${LABELS[stated]} model, or ` +
      'train an adapter for this one.',
  );
}

/**
 * Refuses to draw with an adapter of another small model, even if all sizes agree: small models are trained from nothing,
 * so it would draw noise. Large models have descendants that share adapters. A file that says nothing passes.
 *
 * @param file - its name, for messages
 * @throws KronaError ADAPTER_OTHER_BASE
 */
export async function checkStatedBase(file: string, metadata: Metadata, model: ModelFolder): Promise<void> {
  const stated = metadata.get('krona.base_hash');
  if (stated === undefined || modelCard(model).nativeSize > SMALL_MODEL) return;
  if (stated === (await modelFingerprint(model))) return;
  const base = metadata.get('krona.base_model') ?? 'another model';
  throw new KronaError(
    'ADAPTER_OTHER_BASE',
    `${file} was trained on ${base === model.name ? `an earlier version of ${base}` : base} and can't work with this ` +
      `${model.name}: small models share no weights. Train the subject again.`,
  );
}

const PREDICTS: Readonly<Record<Prediction, string>> = {
  epsilon: 'noise (epsilon)',
  v_prediction: 'velocity (v)',
};

/**
 * Sentences for people about what can come out differently from how its maker saw it.
 * @param base the model to use it with; without one, only velocity prediction is mentioned
 */
export function statedNotes(
  file: SafetensorsFile,
  base?: Pick<AdapterBase, 'name' | 'prediction'>,
): string[] {
  const notes: string[] = [];
  const prediction = statedPrediction(file.metadata);
  if (base?.prediction !== undefined) {
    if (prediction !== null && prediction !== base.prediction)
      notes.push(
        `${file.name} was trained on a model that predicts ${PREDICTS[prediction]}; ${base.name} predicts ` +
          `${PREDICTS[base.prediction]}. It is applied anyway, but pictures can look different.`,
      );
  } else if (prediction === 'v_prediction')
    notes.push(`Trained on a model that predicts ${PREDICTS.v_prediction}: use it with such models.`);
  const args = parseJson<Readonly<Record<string, unknown>>>(file.metadata.get('ss_network_args'), {});
  const whole = [...file.tensors.keys()].some(
    (key) => key.endsWith('.lokr_w1') && file.tensors.has(key.replace(/1$/, '2')),
  );
  if (/^true$/i.test(String(args['rs_lora'])) && whole) {
    const dim = Number(file.metadata.get('ss_network_dim'));
    const scale = dim > 0 ? `√${dim} = ${Math.sqrt(dim).toPrecision(3)}` : '√dim';
    notes.push(
      `Trained with rs_lora and both factors whole, so at a scale of ${scale}, which every program, Krona too, reads as 1: ` +
        'it can need that strength.',
    );
  }
  return notes;
}
