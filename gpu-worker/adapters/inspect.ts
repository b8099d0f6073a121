/** @file What an adapter file is, from its header alone: no model is needed and no weight is read. */
import { isDifference, isKronecker, isLowRank } from './adapter.ts';
import { openAdapter, type AdapterFormat } from './read-adapter.ts';
import { statedNotes } from './stated-facts.ts';

export interface FactorShape {
  readonly a1: number;
  readonly a2: number;
}

export interface AdapterReport {
  readonly format: AdapterFormat;
  /** What its modules are changed by; the commonest where there are several. */
  readonly method: 'krona' | 'lora' | 'full';
  /** Module paths as in diffusers; of differences the parameters. */
  readonly targets: readonly string[];
  /** Trained numbers in the file. */
  readonly parameters: number;
  /** Shape of A; a list where targets have different ones, null where none has any. */
  readonly factors: FactorShape | readonly FactorShape[] | null;
  /** Of LoRAs; a list where targets have different ones, null where none has any. */
  readonly rank: number | readonly number[] | null;
  /** alpha/rank and the like that LoRAs are multiplied by; as `rank`. */
  readonly scale: number | readonly number[] | null;
  readonly base: {
    /** The model's name, when the file says it. */
    readonly model: string | null;
    /** kohya's word for the architecture, e.g. `sdxl_base_v1-0`. */
    readonly version: string | null;
    readonly hash: string | null;
  };
  readonly metadata: Readonly<Record<string, string>>;
  /** What may come out otherwise than its maker saw it, a sentence each. */
  readonly notes: readonly string[];
}

/** @throws KronaError as openAdapter */
export async function inspectAdapter(path: string): Promise<AdapterReport> {
  const adapter = await openAdapter(path);
  const { shapes, format, parameters } = adapter;
  const factors = new Map<string, FactorShape>();
  const ranks = new Set<number>();
  const scales = new Set<number>();
  const counts = { krona: 0, lora: 0, full: 0 };
  for (const [module, shape] of shapes) {
    if (isDifference(shape)) counts.full++;
    else if (isLowRank(shape)) {
      counts.lora++;
      ranks.add(shape.rank);
      scales.add(await adapter.scale(module));
    } else if (isKronecker(shape)) {
      counts.krona++;
      factors.set(`${shape.a1}x${shape.a2}`, { a1: shape.a1, a2: shape.a2 });
    }
  }
  const [method] = (['krona', 'lora', 'full'] as const).toSorted((x, y) => counts[y] - counts[x]);
  const { metadata } = adapter.file;
  return {
    format,
    method: method!,
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
    notes: statedNotes(adapter.file),
  };
}

function oneOrAll<T>(values: readonly T[]): T | readonly T[] | null {
  return values.length > 1 ? values : (values[0] ?? null);
}
