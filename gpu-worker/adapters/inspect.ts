/** @file What an adapter file is, from its header alone: no model is needed and no weight is read. */
import { KronaError } from '../../storage/errors.ts';
import { elementCount, openSafetensors } from '../models/safetensors.ts';
import { isLokr, lokrShapes } from './lokr-file.ts';

export interface FactorShape {
  readonly a1: number;
  readonly a2: number;
}

export interface AdapterReport {
  readonly format: 'lokr';
  readonly method: 'krona';
  /** Module paths as in diffusers. */
  readonly targets: readonly string[];
  /** Trained numbers in the file. */
  readonly parameters: number;
  /** Shape of A; a list where targets have different ones. */
  readonly factors: FactorShape | readonly FactorShape[];
  readonly base: {
    /** The model's name, when the file says it. */
    readonly model: string | null;
    /** kohya's word for the architecture, e.g. `sdxl_base_v1-0`. */
    readonly version: string | null;
    readonly hash: string | null;
  };
  readonly metadata: Readonly<Record<string, string>>;
}

/** @throws KronaError ADAPTER_FORMAT_UNSUPPORTED, ADAPTER_INVALID, SAFETENSORS_*, FILE_* */
export async function inspectAdapter(path: string): Promise<AdapterReport> {
  const file = await openSafetensors(path);
  if (!isLokr(file)) {
    const keys = [...file.tensors.keys()];
    const lora = keys.some((key) => /lora/i.test(key));
    throw new KronaError(
      'ADAPTER_FORMAT_UNSUPPORTED',
      `${file.name} is ${lora ? 'a LoRA' : 'no adapter that is known here'} (its first tensor: ${keys[0] ?? 'none'}); ` +
        'supported: LoKr.',
    );
  }
  const shapes = lokrShapes(file);
  const factors = new Map<string, FactorShape>();
  for (const { a1, a2 } of shapes.values()) factors.set(`${a1}x${a2}`, { a1, a2 });
  let parameters = 0;
  for (const [key, { shape }] of file.tensors)
    if (/\.lokr_w[12](_[ab])?$/.test(key)) parameters += elementCount(shape);
  const { metadata } = file;
  return {
    format: 'lokr',
    method: 'krona',
    targets: [...shapes.keys()],
    parameters,
    factors: factors.size === 1 ? [...factors.values()][0]! : [...factors.values()],
    base: {
      model: metadata.get('krona.base_model') ?? metadata.get('ss_sd_model_name') ?? null,
      version: metadata.get('ss_base_model_version') ?? null,
      hash: metadata.get('krona.base_hash') ?? null,
    },
    metadata: Object.fromEntries(metadata),
  };
}
