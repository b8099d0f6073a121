/**
 * @file Chooses the files of a component folder that hold its weights, by name only: the same choice for a folder on
 * disk and for a download. Names: diffusers' and transformers' save_pretrained.
 */
import { KronaError } from '../../core/errors.ts';
import { isJsonObject } from '../../core/json-object.ts';
import { quoted } from './config-fields.ts';

export interface WeightFiles {
  /** A file with all tensors, or the index of several. */
  readonly kind: 'file' | 'index';
  readonly name: string;
  /** `fp16` in `model.fp16.safetensors`; '' for none. */
  readonly variant: string;
}

const FILE = /^(?:diffusion_pytorch_model|model)(?:\.([\w-]+))?\.safetensors$/;
// diffusers writes the variant after `index`, transformers before `safetensors`.
const INDEX = /^(?:diffusion_pytorch_model|model)(?:\.([\w-]+))?\.safetensors\.index(?:\.([\w-]+))?\.json$/;

/** Full precision first, then the least lossy, then any other (`non_ema`). */
const ORDER = ['', 'fp32', 'fp16', 'bf16'];

/**
 * Every choice in a component folder, the best first. One file goes before shards of the same variant.
 *
 * @param names of all files of the folder
 * @param variant to prefer
 */
export function weightFiles(names: readonly string[], variant?: string): WeightFiles[] {
  const choices: WeightFiles[] = [];
  for (const name of names) {
    const file = FILE.exec(name);
    if (file) choices.push({ kind: 'file', name, variant: file[1] ?? '' });
    const index = INDEX.exec(name);
    if (index) choices.push({ kind: 'index', name, variant: index[1] ?? index[2] ?? '' });
  }
  const rank = (choice: WeightFiles): number => {
    if (choice.variant === variant) return -1;
    const at = ORDER.indexOf(choice.variant);
    return at < 0 ? ORDER.length : at;
  };
  return choices.sort(
    (a, b) =>
      rank(a) - rank(b) || (a.kind === b.kind ? (a.name < b.name ? -1 : 1) : a.kind === 'file' ? -1 : 1),
  );
}

/**
 * Maps each tensor to its file, from the `weight_map` of an index.
 *
 * @param where the index, for messages
 * @throws KronaError MODEL_INDEX_INVALID
 */
export function shardFiles(where: string, index: Readonly<Record<string, unknown>>): Map<string, string> {
  const map = index['weight_map'];
  if (!isJsonObject(map)) throw new KronaError('MODEL_INDEX_INVALID', `${where} has no weight_map.`);
  const files = new Map<string, string>();
  for (const [name, file] of Object.entries(map)) {
    // An index may only name files beside it: it must not reach into the rest of the disk.
    if (typeof file !== 'string' || !/^[\w-][\w.-]*\.safetensors$/.test(file))
      throw new KronaError(
        'MODEL_INDEX_INVALID',
        `${where} places ${quoted(name)} in ${quoted(file)}, which is not the name of a .safetensors file beside it.`,
      );
    files.set(name, file);
  }
  return files;
}
