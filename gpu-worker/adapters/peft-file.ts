/**
 * @file PEFT's folders: adapter_config.json and adapter_model.safetensors, as PeftModel.from_pretrained opens them.
 * PEFT cuts every module's sides by one number, `decompose_factor`, so only some shapes of A can be said there.
 * Rules: peft/tuners/lokr/layer.py, peft/tuners/lokr/config.py, peft/tuners/lora/config.py.
 */
import { join } from 'node:path';
import { KronaError } from '../../core/errors.ts';
import { gcd } from '../../core/gcd.ts';
import { makeFolder, writeWhole } from '../../core/files.ts';
import { writeSafetensors, type TensorToWrite } from '../models/safetensors.ts';
import type { KroneckerLayers } from './krona.ts';
import type { FileDtype } from './lokr-file.ts';
import { peftTensors, type LowRankLayers } from './lora-file.ts';

/** What both kinds say of the model. */
const MAPPING = {
  base_model_class: 'UNet2DConditionModel',
  parent_library: 'diffusers.models.unets.unet_2d_condition',
};
const TEXT_CLASSES = {
  text_encoder: 'CLIPTextModel',
  text_encoder_2: 'CLIPTextModelWithProjection',
} as const;

/** What a folder says beside its numbers. */
export interface PeftFacts {
  readonly baseModel: string | null;
  readonly dtype: FileDtype;
  /** Goes into the file of the numbers, where PEFT leaves it alone. */
  readonly metadata: ReadonlyMap<string, string>;
}

/** @throws KronaError ADAPTER_UNREPRESENTABLE, DISK_FULL, FILE_UNWRITABLE */
export async function writePeftLokr(
  folder: string,
  layers: KroneckerLayers,
  { baseModel, dtype, metadata }: PeftFacts,
): Promise<void> {
  const factor = decomposeFactor(layers);
  const part = onePart(layers.keys());
  const tensors = new Map<string, TensorToWrite>();
  let rank = 1;
  for (const [path, { a1, a2, b1, b2, kernel, a, b }] of layers) {
    const name = `base_model.model.${part.inside(path)}`;
    tensors.set(`${name}.lokr_w1`, { dtype, shape: [a1, a2], data: a });
    tensors.set(`${name}.lokr_w2`, { dtype, shape: [b1, b2, ...(kernel ?? [])], data: b });
    // From this rank on PEFT takes B whole.
    rank = Math.max(rank, b1, b2);
  }
  await writeFolder(folder, tensors, metadata, {
    ...part.config(layers.keys(), baseModel),
    peft_type: 'LOKR',
    r: rank,
    // PEFT scales whole factors too, by alpha/r.
    alpha: rank,
    decompose_both: false,
    decompose_factor: factor,
    use_effective_conv2d: false,
    rank_dropout: 0,
    rank_dropout_scale: false,
    module_dropout: 0,
    init_weights: true,
    rank_pattern: {},
    alpha_pattern: {},
  });
}

/** @throws KronaError ADAPTER_UNREPRESENTABLE, DISK_FULL, FILE_UNWRITABLE */
export async function writePeftLora(
  folder: string,
  layers: LowRankLayers,
  { baseModel, dtype, metadata }: PeftFacts,
): Promise<void> {
  const part = onePart(layers.keys());
  const [first] = layers.values();
  const patterns = { rank: {} as Record<string, number>, alpha: {} as Record<string, number> };
  const unscaled = new Map(
    [...layers].map(([path, layer]) => {
      if (layer.rank !== first!.rank) patterns.rank[part.inside(path)] = layer.rank;
      const alpha = layer.scale * layer.rank;
      if (alpha !== first!.scale * first!.rank) patterns.alpha[part.inside(path)] = alpha;
      return [path, { ...layer, scale: 1 }] as const;
    }),
  );
  await writeFolder(
    folder,
    peftTensors(unscaled, (path) => `base_model.model.${part.inside(path)}`, dtype),
    metadata,
    {
      ...part.config(layers.keys(), baseModel),
      peft_type: 'LORA',
      r: first!.rank,
      lora_alpha: first!.scale * first!.rank,
      lora_dropout: 0,
      bias: 'none',
      fan_in_fan_out: false,
      use_rslora: false,
      use_dora: false,
      init_lora_weights: true,
      rank_pattern: patterns.rank,
      alpha_pattern: patterns.alpha,
    },
  );
}

/**
 * The one factor by which PEFT would cut every module as this adapter does; -1 for its own choice.
 * @throws KronaError ADAPTER_UNREPRESENTABLE naming the shapes that it can cut
 */
export function decomposeFactor(layers: KroneckerLayers): number {
  const all = [...layers];
  const exchanged = all.find(([, { rowOrder }]) => rowOrder);
  if (exchanged)
    throw new KronaError(
      'ADAPTER_UNREPRESENTABLE',
      `${exchanged[0]} is changed by a row-permuted product, which no LoKr can hold; convert with --to lora, which is exact.`,
    );
  const fits = (factor: number): boolean =>
    all.every(
      ([, { a1, a2, b1, b2 }]) =>
        peftFactor(a1 * b1, factor)[0] === a1 && peftFactor(a2 * b2, factor)[0] === a2,
    );
  const largest = all.reduce((side, [, { a1, a2 }]) => Math.max(side, a1, a2), 1);
  for (const factor of [...Array(largest).keys()].map((n) => n + 1).concat(-1))
    if (fits(factor)) return factor;
  const [path, { a1, a2, b1, b2 }] = all.find(([, shape]) => shape.a1 !== shape.a2) ?? all[0]!;
  const sides = all.flatMap(([, shape]) => [shape.a1 * shape.b1, shape.a2 * shape.b2]);
  const common = sides.reduce(gcd, 0);
  const square = [...Array(common).keys()].map((n) => n + 1).filter((n) => common % n === 0);
  throw new KronaError(
    'ADAPTER_UNREPRESENTABLE',
    `PEFT cuts all modules by one decompose_factor, which cannot make A ${a1}×${a2} (${path}, ` +
      `${a1 * b1}×${a2 * b2}). It can make A ${square.map((n) => `${n}×${n}`).join(', ')} here: train with one of ` +
      'these, or convert with --to lora, which PEFT reads too.',
  );
}

/** PEFT's `factorization`: how it cuts a side in two, the first belonging to A. */
export function peftFactor(side: number, factor: number): readonly [number, number] {
  if (factor > 0 && side % factor === 0) return [factor, side / factor];
  const most = factor < 0 ? side : factor;
  let [m, n] = [1, side];
  while (m < n) {
    let next = m + 1;
    while (side % next !== 0) next++;
    if (next > most) break;
    [m, n] = [next, side / next];
  }
  return m < n ? [m, n] : [n, m];
}

/** The one part of the model that a folder is for. @throws KronaError ADAPTER_UNREPRESENTABLE when there are several */
function onePart(paths: Iterable<string>) {
  const parts = new Set([...paths].map((path) => /^text_encoder(?:_2)?(?=\.)/.exec(path)?.[0] ?? 'unet'));
  const [part] = parts;
  if (parts.size !== 1)
    throw new KronaError(
      'ADAPTER_UNREPRESENTABLE',
      `A folder of PEFT is for one model; this adapter changes ${[...parts].join(' and ')}. Convert with --to lora or lokr.`,
    );
  // transformers 5 has CLIPTextModel's modules without `text_model.`; CLIPTextModelWithProjection's have it in all versions.
  const inside = (path: string): string =>
    path.replace(/^text_encoder\.(?:text_model\.)?|^text_encoder_2\./, '');
  const mapping =
    part === 'unet'
      ? MAPPING
      : {
          base_model_class: TEXT_CLASSES[part as keyof typeof TEXT_CLASSES],
          parent_library: 'transformers.models.clip.modeling_clip',
        };
  return {
    inside,
    config: (modules: Iterable<string>, baseModel: string | null) => ({
      auto_mapping: mapping,
      base_model_name_or_path: baseModel,
      revision: null,
      task_type: null,
      inference_mode: true,
      target_modules: [...modules].map(inside),
      exclude_modules: null,
      modules_to_save: null,
      layers_to_transform: null,
      layers_pattern: null,
    }),
  };
}

async function writeFolder(
  folder: string,
  tensors: ReadonlyMap<string, TensorToWrite>,
  metadata: ReadonlyMap<string, string>,
  config: Readonly<Record<string, unknown>>,
): Promise<void> {
  await makeFolder(folder);
  await writeSafetensors(
    join(folder, 'adapter_model.safetensors'),
    tensors,
    new Map([...metadata, ['format', 'pt']]),
  );
  const sorted = Object.fromEntries(Object.entries(config).sort(([x], [y]) => (x < y ? -1 : 1)));
  await writeWhole(join(folder, 'adapter_config.json'), `${JSON.stringify(sorted, null, 2)}\n`);
}
