/**
 * @file Scales that PEFT and diffusers keep outside the tensors: in adapter_config.json of PEFT's folder
 * (peft.LoraConfig, peft.LoKrConfig), and in the metadata of diffusers' LoRA files (`lora_adapter_metadata`).
 */
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { KronaError } from '../../../core/errors.ts';
import { quoted } from '../../models/config-fields.ts';
import type { SafetensorsFile } from '../../models/safetensors.ts';
import { readSmallFile } from '../../models/small-file.ts';
import type { Scaling } from '../forms/form.ts';
import { parseJson } from './adapter-info.ts';
import { patternValues } from './peft-patterns.ts';

/**
 * The scale of ΔW of the module called `name`; undefined if none is given.
 * @param rank of its low-rank factors; null if both are whole
 */
export type Scales = (name: string, rank: number | null, kind: Scaling['kind']) => number | undefined;

export interface PeftAdapter {
  /** Path of the .safetensors file. */
  readonly weights: string;
  /** null: as its own metadata says. */
  readonly scales: Scales | null;
  /** The text encoder that it is for, if it is for one. */
  readonly encoder: 'text_encoder' | 'text_encoder_2' | null;
}

type Config = Readonly<Record<string, unknown>>;

const TYPES: readonly unknown[] = ['LORA', 'LOKR', 'LOHA', 'IA3'];

/**
 * PEFT's adapter at a path: its folder, or the file in it. null for a file without adapter_config.json in its folder.
 * @throws KronaError ADAPTER_INVALID, ADAPTER_METHOD_UNSUPPORTED, SAFETENSORS_FOREIGN, FILE_*
 */
export async function openPeft(path: string): Promise<PeftAdapter | null> {
  const folder = await isFolder(path);
  const at = folder ? path : dirname(path);
  if (!folder && basename(path) !== 'adapter_model.safetensors') return null;
  const text = await readSmallFile(join(at, 'adapter_config.json'));
  if (text === null) {
    const own = folder ? await diffusersFile(at) : null;
    if (own !== null) return { weights: join(at, own), scales: null, encoder: null };
    const where = folder ? `The folder ${basename(path)}` : `The folder of ${basename(path)}`;
    throw new KronaError(
      'ADAPTER_INVALID',
      `${where} has no adapter_config.json, which holds the scale of PEFT's adapters` +
        `${folder ? ', and no pytorch_lora_weights.safetensors of diffusers' : ''}. Copy the whole folder.`,
    );
  }
  const config = parseJson<Config>(text, {});
  const type = config['peft_type'];
  if (!TYPES.includes(type))
    throw new KronaError(
      'ADAPTER_METHOD_UNSUPPORTED',
      `${basename(path)} is a PEFT adapter of type ${quoted(type ?? null)}; supported: ${TYPES.join(', ')}.`,
    );
  checkVariant(config, basename(path));
  const weights = join(at, 'adapter_model.safetensors');
  if (!(await exists(weights)) && (await exists(join(at, 'adapter_model.bin'))))
    throw new KronaError(
      'SAFETENSORS_FOREIGN',
      `${basename(path)} holds adapter_model.bin, a Python pickle, which can run code when it is loaded. ` +
        'Save it again with safe_serialization=True.',
    );
  return {
    weights,
    scales: configScales(config),
    encoder: isSecondEncoder(config['auto_mapping']) ? 'text_encoder_2' : 'text_encoder',
  };
}

/** Fields of LoraConfig with which ΔW is another than B·A. */
const VARIANTS = [
  'use_dora',
  'use_qalora',
  'use_bdlora',
  'kasa_config',
  'monteclora_config',
  'arrow_config',
  'alora_invocation_tokens',
];
/** Values of `init_lora_weights` that also change the weights to which ΔW is added, by what no file holds. */
const CHANGES_BASE = /^(?:pissa|corda|olora|loftq|lora_ga|mica)/i;

/** @throws KronaError ADAPTER_METHOD_UNSUPPORTED for a LoRA that is more than its two factors */
function checkVariant(config: Config, name: string): void {
  const field = VARIANTS.find((each) => Boolean(config[each]));
  const init = config['init_lora_weights'];
  const changes = typeof init === 'string' && CHANGES_BASE.test(init);
  if (field === undefined && !changes) return;
  const cause = field === undefined ? `init_lora_weights ${quoted(init)}` : field;
  throw new KronaError(
    'ADAPTER_METHOD_UNSUPPORTED',
    `${name} uses ${field === 'use_dora' ? 'DoRA' : cause}; only plain LoRA is supported.` +
      (changes ? ' Save it with path_initial_model_for_weight_conversion.' : ''),
  );
}

const isSecondEncoder = (mapping: unknown): boolean =>
  typeof mapping === 'object' &&
  mapping !== null &&
  'base_model_class' in mapping &&
  mapping.base_model_class === 'CLIPTextModelWithProjection';

/** Scales of diffusers' own files, which keep PEFT's config of each part in their metadata. */
export function diffusersScales(file: SafetensorsFile): Scales | null {
  const facts = parseJson<Config>(file.metadata.get('lora_adapter_metadata'), {});
  const configs = ['unet', 'text_encoder_2', 'text_encoder'].map((part) => {
    const own = Object.entries(facts).filter(([key]) => key.startsWith(`${part}.`));
    const config = Object.fromEntries(own.map(([key, value]) => [key.slice(part.length + 1), value]));
    checkVariant(config, file.name);
    return { part, scales: own.length > 0 ? configScales(config) : null };
  });
  if (configs.every(({ scales }) => scales === null)) return null;
  return (name, rank, kind) => {
    const found = configs.find(({ part }) => name.startsWith(`${part}.`));
    return found?.scales?.(name.slice(found.part.length + 1), rank, kind);
  };
}

function configScales(config: Config): Scales {
  const number = (value: unknown, fallback: number): number => (typeof value === 'number' ? value : fallback);
  const rankOf = patternValues(config['rank_pattern'], 'rank_pattern');
  const alphaOf = patternValues(config['alpha_pattern'], 'alpha_pattern');
  return (name, rank, kind) => {
    const path = name.replace(/^base_model\.model\./, '');
    const r = number(rankOf(path), number(config['r'], 8));
    const alpha = number(alphaOf(path), number(config[kind === 'lora' ? 'lora_alpha' : 'alpha'], 8));
    // LoKr's whole factors too: unlike LyCORIS, PEFT scales them. A file's own rank counts before the config's.
    const size = kind === 'lora' ? (rank ?? r) : r;
    return alpha / (kind === 'lora' && config['use_rslora'] === true ? Math.sqrt(size) : size);
  };
}

/** The file that diffusers would load from a folder: what its save_lora_weights writes, or the only one; null for none. */
async function diffusersFile(folder: string): Promise<string | null> {
  const names = (await readdir(folder)).filter((name) => /^[^.].*\.safetensors$/.test(name));
  const named = names.find((name) => name === 'pytorch_lora_weights.safetensors');
  const [only = null] = names.length === 1 && names[0] !== 'adapter_model.safetensors' ? names : [];
  return named ?? only;
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
