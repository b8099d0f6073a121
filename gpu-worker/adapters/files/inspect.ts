/** @file Describes an adapter file: no model is needed. */
import type { Method } from '../../../core/settings/choices.ts';
import { nonFinite } from '../../models/finite.ts';
import { invalid } from '../forms/form.ts';
import { FORMS } from '../forms/forms.ts';
import { openAdapter, type AdapterFormat } from './open-adapter.ts';
import { statedNotes } from './stated-facts.ts';

export interface FactorShape {
  readonly a1: number;
  readonly a2: number;
}

export interface AdapterReport {
  readonly format: AdapterFormat;
  /** The method that makes its layers; the commonest if there are several. */
  readonly method: Method;
  /** Module paths as in diffusers; the parameters of differences. */
  readonly targets: readonly string[];
  /** Trained numbers in the file. */
  readonly parameters: number;
  /** Shape of A; a list if targets have different ones, null if none has any. */
  readonly factors: FactorShape | readonly FactorShape[] | null;
  /** Of LoRAs; a list if targets have different ones, null if none has any. */
  readonly rank: number | readonly number[] | null;
  /** alpha/rank and the like that LoRAs are multiplied by; as `rank`. */
  readonly scale: number | readonly number[] | null;
  readonly base: {
    /** The model's name; null if the file doesn't say it. */
    readonly model: string | null;
    /** kohya's word for the architecture, e.g. `sdxl_base_v1-0`. */
    readonly version: string | null;
    readonly hash: string | null;
  };
  readonly metadata: Readonly<Record<string, string>>;
  /** What can come out differently from how its maker saw it, a sentence each. */
  readonly notes: readonly string[];
}

/** @throws KronaError as openAdapter; ADAPTER_INVALID (a number is NaN or infinite) */
export async function inspectAdapter(path: string): Promise<AdapterReport> {
  const { file, format, parameters, layers, shapes, notes } = await openAdapter(path);
  // Every alpha that counts is checked with its scale.
  const damaged = await nonFinite(new Map([...file.tensors].filter(([name]) => !name.endsWith('.alpha'))));
  if (damaged !== null)
    throw invalid(file, `has numbers in ${damaged} that are NaN or infinite; train or download it again`);
  const factors = new Map<string, FactorShape>();
  const ranks = new Set<number>();
  const scales = new Set<number>();
  for (const { stored, scale } of layers.values()) {
    const { factors: shape, rank } = stored.shape.facts();
    if (shape) factors.set(`${shape.a1}x${shape.a2}`, shape);
    const value = await scale();
    if (rank === undefined) continue;
    ranks.add(rank);
    scales.add(value);
  }
  const { metadata } = file;
  const count = (method: Method) => [...shapes.values()].filter(({ form }) => form.method === method).length;
  const methods = FORMS.map(({ method }) => method);
  return {
    format,
    method: methods.reduce((most, method) => (count(method) > count(most) ? method : most)),
    targets: [...shapes.keys()],
    parameters,
    factors: oneOrAll([...factors.values()]),
    rank: oneOrAll([...ranks]),
    scale: oneOrAll([...scales]),
    base: {
      model: metadata.get('krona.base_model') ?? metadata.get('ss_sd_model_name') ?? null,
      version: metadata.get('ss_base_model_version') ?? null,
      hash: metadata.get('krona.base_hash') ?? null,
    },
    metadata: Object.fromEntries(metadata),
    notes: [...notes, ...statedNotes(file)],
  };
}

function oneOrAll<T>(values: readonly T[]): T | readonly T[] | null {
  return values.length > 1 ? values : (values[0] ?? null);
}
