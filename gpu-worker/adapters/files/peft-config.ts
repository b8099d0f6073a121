/**
 * @file What PEFT and diffusers say beside the tensors: PEFT's folder with adapter_config.json (peft.LoraConfig,
 * peft.LoKrConfig), and the same facts in the metadata of diffusers' LoRA files (`lora_adapter_metadata`).
 */
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { KronaError } from '../../../core/errors.ts';
import type { SafetensorsFile } from '../../models/safetensors.ts';
import { parseJson } from './adapter-info.ts';

/**
 * What ΔW of the module called `name` is multiplied by; undefined where nothing is said.
 * @param rank of its low-rank factors; null when both are whole
 */
export type Scales = (name: string, rank: number | null, kind: 'lora' | 'lokr') => number | undefined;

export interface PeftAdapter {
  /** Path of the .safetensors file. */
  readonly weights: string;
  readonly scales: Scales;
  /** Which text encoder, when it is one's. */
  readonly encoder: 'text_encoder' | 'text_encoder_2' | null;
}

type Config = Readonly<Record<string, unknown>>;

/**
 * PEFT's adapter at a path: its folder, or the file in it. null for a file with no adapter_config.json beside it.
 * @throws KronaError ADAPTER_INVALID, ADAPTER_METHOD_UNSUPPORTED, SAFETENSORS_FOREIGN, FILE_*
 */
export async function openPeft(path: string): Promise<PeftAdapter | null> {
  const folder = await isFolder(path);
  const at = folder ? path : dirname(path);
  if (!folder && basename(path) !== 'adapter_model.safetensors') return null;
  const text = await readFile(join(at, 'adapter_config.json'), 'utf8').catch(() => null);
  if (text === null) {
    const where = folder ? `The folder ${basename(path)}` : `What lies beside ${basename(path)}`;
    throw new KronaError(
      'ADAPTER_INVALID',
      `${where} has no adapter_config.json, where PEFT says the scale of its adapters; copy the whole folder.`,
    );
  }
  const config = parseJson<Config>(text, {});
  const type = config['peft_type'];
  if (type !== 'LORA' && type !== 'LOKR')
    throw new KronaError(
      'ADAPTER_METHOD_UNSUPPORTED',
      `${basename(path)} is a PEFT adapter of type ${JSON.stringify(type ?? null)}; LORA and LOKR are read.`,
    );
  if (config['use_dora'] === true)
    throw new KronaError('ADAPTER_TARGETS_UNSUPPORTED', `${basename(path)} uses DoRA; plain LoRA is read.`);
  const weights = join(at, 'adapter_model.safetensors');
  if (!(await exists(weights)) && (await exists(join(at, 'adapter_model.bin'))))
    throw new KronaError(
      'SAFETENSORS_FOREIGN',
      `${basename(path)} holds adapter_model.bin, a Python pickle, which may run code when it is loaded; ` +
        'save it again with safe_serialization=True.',
    );
  const mapping = config['auto_mapping'] as { base_model_class?: unknown } | null | undefined;
  return {
    weights,
    scales: configScales(config),
    encoder: mapping?.base_model_class === 'CLIPTextModelWithProjection' ? 'text_encoder_2' : 'text_encoder',
  };
}

/** Scales of diffusers' own files, which keep PEFT's config of each part in their metadata. */
export function diffusersScales(file: SafetensorsFile): Scales | null {
  const facts = parseJson<Config>(file.metadata.get('lora_adapter_metadata'), {});
  const configs = ['unet', 'text_encoder_2', 'text_encoder'].map((part) => {
    const own = Object.entries(facts).filter(([key]) => key.startsWith(`${part}.`));
    const config = Object.fromEntries(own.map(([key, value]) => [key.slice(part.length + 1), value]));
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
  return (name, rank, kind) => {
    const path = name.replace(/^base_model\.model\./, '');
    const r = number(pattern(config['rank_pattern'], path), number(config['r'], 8));
    const alpha = number(
      pattern(config['alpha_pattern'], path),
      number(config[kind === 'lora' ? 'lora_alpha' : 'alpha'], 8),
    );
    // LoKr's whole factors too: unlike LyCORIS, PEFT scales them. A file's own rank counts before the config's.
    const size = kind === 'lora' ? (rank ?? r) : r;
    return alpha / (kind === 'lora' && config['use_rslora'] === true ? Math.sqrt(size) : size);
  };
}

/** PEFT's patterns are regular expressions for the end of a path, from a whole name on. */
function pattern(patterns: unknown, path: string): unknown {
  if (typeof patterns !== 'object' || patterns === null) return undefined;
  for (const [key, value] of Object.entries(patterns)) {
    // Only names and dots are taken as PEFT writes them: an expression of a stranger could run for ever.
    const end = key.replace(/^\^/, '').replaceAll('\\.', '.');
    if (path === end || path.endsWith(`.${end}`)) return value;
  }
  return undefined;
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
