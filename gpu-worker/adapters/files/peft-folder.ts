/**
 * @file PEFT's folders: adapter_config.json and adapter_model.safetensors, as PeftModel.from_pretrained opens them.
 * Rules: peft/tuners/lokr/config.py, peft/tuners/lora/config.py.
 */
import { join } from 'node:path';
import { KronaError } from '../../../core/errors.ts';
import { makeFolder, writeWhole } from '../../../core/files.ts';
import type { AdapterLayers } from '../adapter.ts';
import type { FileDtype } from '../forms/form.ts';
import { named, writeTensors } from './write-adapter.ts';

/** The part of a model that a folder is for, by PEFT's auto_mapping. */
const MAPPINGS = {
  unet: {
    base_model_class: 'UNet2DConditionModel',
    parent_library: 'diffusers.models.unets.unet_2d_condition',
  },
  text_encoder: {
    base_model_class: 'CLIPTextModel',
    parent_library: 'transformers.models.clip.modeling_clip',
  },
  text_encoder_2: {
    base_model_class: 'CLIPTextModelWithProjection',
    parent_library: 'transformers.models.clip.modeling_clip',
  },
} as const;
type ModelPart = keyof typeof MAPPINGS;

/** What a folder says beside its numbers. */
export interface PeftFacts {
  readonly baseModel: string | null;
  readonly dtype: FileDtype;
  /** Goes into the file of the numbers, where PEFT ignores it. */
  readonly metadata: ReadonlyMap<string, string>;
}

/**
 * @param layers all of one form
 * @throws KronaError ADAPTER_UNREPRESENTABLE, DISK_FULL, FILE_UNWRITABLE
 */
export async function writePeft(
  folder: string,
  layers: AdapterLayers,
  { baseModel, dtype, metadata }: PeftFacts,
): Promise<void> {
  const [first] = layers.values();
  if (first === undefined) throw new TypeError('an adapter without layers');
  const part = onePart(layers.keys());
  const inside = new Map([...layers].map(([path, layer]) => [insidePath(path), layer]));
  const { tensors, config } = first.form.peft(inside, dtype);
  await makeFolder(folder);
  await writeTensors(
    join(folder, 'adapter_model.safetensors'),
    named(tensors, (path) => `base_model.model.${path}`),
    new Map([...metadata, ['format', 'pt']]),
  );
  const whole = { ...commonConfig(part, [...inside.keys()], baseModel), ...config };
  const sorted = Object.fromEntries(Object.entries(whole).sort(([x], [y]) => (x < y ? -1 : 1)));
  await writeWhole(join(folder, 'adapter_config.json'), `${JSON.stringify(sorted, null, 2)}\n`);
}

/** The one part of the model that a folder is for. @throws KronaError ADAPTER_UNREPRESENTABLE if there are several */
function onePart(paths: Iterable<string>): ModelPart {
  const parts = new Set([...paths].map(partOf));
  const [part = 'unet'] = parts;
  if (parts.size > 1)
    throw new KronaError(
      'ADAPTER_UNREPRESENTABLE',
      `A PEFT folder is for one model; this adapter changes ${[...parts].join(' and ')}. Convert with --to lora or lokr.`,
    );
  return part;
}

function partOf(path: string): ModelPart {
  if (path.startsWith('text_encoder.')) return 'text_encoder';
  return path.startsWith('text_encoder_2.') ? 'text_encoder_2' : 'unet';
}

/**
 * A module's path inside its part. transformers 5 has CLIPTextModel's modules without `text_model.`;
 * CLIPTextModelWithProjection's have it in all versions.
 */
const insidePath = (path: string): string =>
  path.replace(/^text_encoder\.(?:text_model\.)?|^text_encoder_2\./, '');

const commonConfig = (part: ModelPart, modules: readonly string[], baseModel: string | null) => ({
  auto_mapping: MAPPINGS[part],
  base_model_name_or_path: baseModel,
  revision: null,
  task_type: null,
  inference_mode: true,
  target_modules: modules,
  exclude_modules: null,
  modules_to_save: null,
  layers_to_transform: null,
  layers_pattern: null,
});
