/**
 * @file An adapter file's tensors, sorted by the module that they change and the part that they are, whatever program
 * named them: kohya and LyCORIS (`lora_down.weight`, `lokr_w1`, `diff`), PEFT (`lora_A.weight`), diffusers old and new
 * (`processor.to_q_lora.down.weight`, `lora_linear_layer.down.weight`). Nothing is read but the header.
 */
import { KronaError } from '../../core/errors.ts';
import type { SafetensorsFile, StoredTensor } from '../models/safetensors.ts';
import { isKronecker, isLowRank, type LayerShape } from './adapter.ts';
import type { FactorShape } from './krona.ts';
import type { LowRankShape } from './lora.ts';

/** The tensors of one module, by what they are: `lokr_w1`, `down`, `alpha`, … */
export type Parts = ReadonlyMap<string, StoredTensor>;

/** What stands after a module's name → the part that it is. */
const SUFFIXES: readonly (readonly [RegExp, string | null])[] = [
  [/\.lokr_(w[12](?:_[ab])?|t2)$/, null],
  [/\.(?:lora_down|lora_A(?:\.\w+)?|lora\.down|lora_linear_layer\.down)\.weight$/, 'down'],
  [/\.(?:lora_up|lora_B(?:\.\w+)?|lora\.up|lora_linear_layer\.up)\.weight$/, 'up'],
  [/_lora\.down\.weight$/, 'down'],
  [/_lora\.up\.weight$/, 'up'],
  [/\.lora_mid\.weight$/, 'mid'],
  [/\.(?:dora_scale|lora_magnitude_vector(?:\.\w+)*)$/, 'dora_scale'],
  [/\.(diff|diff_b|w_norm|b_norm|alpha)$/, null],
];

/** Methods that are known by name and not read. */
const OTHERS: readonly (readonly [RegExp, string])[] = [
  [/\.hada_[wt]/, 'LoHa'],
  [/\.(?:oft_|boft)/, 'OFT'],
  [/\.(?:a1|a2|b1|b2|bm)\.weight$/, 'GLoRA'],
  [/\.(?:ia3_l|on_input)/, 'IA³'],
  [/\.set_weight$/, 'replaced weights'],
  [/\.lora_embedding_[AB]$/, 'embeddings'],
];

/** Whether a file holds anything that is read here. */
export function isAdapter(file: SafetensorsFile): boolean {
  return [...file.tensors.keys()].some(
    (key) => !key.endsWith('.alpha') && SUFFIXES.some(([suffix]) => suffix.test(key)),
  );
}

/**
 * Modules by their names in the file.
 * @throws KronaError ADAPTER_INVALID (a tensor that belongs to no adapter), ADAPTER_METHOD_UNSUPPORTED
 */
export function modulesOf(file: SafetensorsFile): Map<string, Map<string, StoredTensor>> {
  const modules = new Map<string, Map<string, StoredTensor>>();
  for (const [key, tensor] of file.tensors) {
    // A part that LyCORIS names and never fills.
    if (key.endsWith('.lokr_t1')) continue;
    const [name, part] = split(file, key);
    const parts = modules.get(name);
    if (parts === undefined) modules.set(name, new Map([[part, tensor]]));
    else if (parts.has(part)) throw invalid(file, `has the ${part} of ${name} twice`);
    else parts.set(part, tensor);
  }
  return modules;
}

function split(file: SafetensorsFile, key: string): [name: string, part: string] {
  for (const [suffix, part] of SUFFIXES) {
    const match = suffix.exec(key);
    if (match === null) continue;
    const name = key.slice(0, match.index);
    return [name, part ?? (match[0].startsWith('.lokr_') ? `lokr_${match[1]}` : match[1]!)];
  }
  const [, other] = OTHERS.find(([pattern]) => pattern.test(key)) ?? [];
  if (other !== undefined)
    throw new KronaError(
      'ADAPTER_METHOD_UNSUPPORTED',
      `${file.name} holds ${other} (${key}); LoKr, LoRA, DiffuseKronA and differences are read.`,
    );
  throw invalid(file, `has a tensor ${key}, which is no part of an adapter`);
}

/**
 * The forms of ΔW that a module's parts make, known without reading them: one of the module itself (key ''), or
 * differences of its `.weight` and `.bias`. The scale of a LoRA is left at 1 here.
 *
 * @param authors the factors are DiffuseKronA's
 * @throws KronaError ADAPTER_INVALID, ADAPTER_TARGETS_UNSUPPORTED (DoRA)
 */
export function partShapes(
  file: SafetensorsFile,
  name: string,
  parts: Parts,
  authors: boolean,
): ReadonlyMap<string, LayerShape> {
  if (parts.has('dora_scale'))
    throw new KronaError(
      'ADAPTER_TARGETS_UNSUPPORTED',
      `${file.name}: ${name} uses DoRA, which scales the model's own weights; plain LoKr and LoRA are read.`,
    );
  const keys = [...parts.keys()].filter((part) => part !== 'alpha');
  if (keys.length === 0) throw invalid(file, `has an alpha for ${name} and nothing else`);
  if (keys.every((part) => part.startsWith('lokr_'))) return new Map([['', lokrShape(file, name, parts)]]);
  if (keys.every((part) => ['down', 'up', 'mid'].includes(part)))
    return new Map([['', authors ? authorsShape(file, name, parts) : loraShape(file, name, parts)]]);
  if (keys.every((part) => part in DIFFERENCES))
    return new Map(keys.map((part) => [DIFFERENCES[part]!, { shape: parts.get(part)!.shape }]));
  throw invalid(file, `mixes ${keys.join(', ')} in ${name}`);
}

/** LyCORIS's names of differences: those of matrices and convolutions, and those of norms. */
export const DIFFERENCES: Readonly<Record<string, '.weight' | '.bias'>> = {
  diff: '.weight',
  diff_b: '.bias',
  w_norm: '.weight',
  b_norm: '.bias',
};

function lokrShape(file: SafetensorsFile, name: string, parts: Parts): FactorShape {
  const factor = (which: 'lokr_w1' | 'lokr_w2'): readonly number[] => {
    const [whole, left, right] = [which, `${which}_a`, `${which}_b`].map((part) => parts.get(part)?.shape);
    const core = which === 'lokr_w2' ? parts.get('lokr_t2')?.shape : undefined;
    const given = [whole, left, right].filter((shape) => shape !== undefined);
    const ranks = whole && which === 'lokr_w2' ? [2, 4] : [2];
    if (given.some((shape) => !ranks.includes(shape.length) || shape.includes(0)))
      throw invalid(file, `gives ${name}.${which} the shape [${given[0]!.join(', ')}]; expected a matrix`);
    if (whole !== undefined && left === undefined && right === undefined && core === undefined) return whole;
    if (whole === undefined && left !== undefined && right !== undefined) {
      // Tucker: a core [r, r, kh, kw] between factors that lie the other way round.
      if (core?.length === 4 && core[0] === left[0] && core[1] === right[0])
        return [left[1]!, right[1]!, core[2]!, core[3]!];
      if (core === undefined && left[1] === right[0]) return [left[0]!, right[1]!];
    }
    throw invalid(file, `must hold either ${name}.${which} or both of ${which}_a and ${which}_b that fit`);
  };
  const [a1, a2] = factor('lokr_w1') as [number, number];
  const [b1, b2, kh, kw] = factor('lokr_w2') as [number, number, number?, number?];
  return { a1, a2, b1, b2, ...(kh === undefined || kw === undefined ? {} : { kernel: [kh, kw] }) };
}

function loraShape(file: SafetensorsFile, name: string, parts: Parts): LowRankShape {
  const [down, up, mid] = ['down', 'up', 'mid'].map((part) => parts.get(part)?.shape);
  if (!down || !up) throw invalid(file, `must hold both factors of ${name}; it has one`);
  const [rank, inputs, ...kernel] = down as [number, number, ...number[]];
  const [out, inner, ...rest] = up as [number, number, ...number[]];
  const fits = mid ? mid.length === 4 && mid[1] === rank && mid[0] === inner : inner === rank;
  const points = mid ? [...kernel, ...rest] : rest;
  if (![2, 4].includes(down.length) || !fits || !points.every((side) => side === 1) || down.includes(0))
    throw invalid(
      file,
      `gives ${name} factors [${down.join(', ')}] and [${up.join(', ')}], which do not make a product`,
    );
  const [kh, kw] = mid ? mid.slice(2) : kernel;
  return {
    rank: mid ? Math.min(mid[0]!, mid[1]!) : rank,
    out,
    in: inputs,
    scale: 1,
    ...(kh === undefined || kw === undefined ? {} : { kernel: [kh, kw] }),
  };
}

/** down is Aᵀ [a2, a1], up is B [b1, b2]; ΔW's rows are B's first (see krona.ts). */
function authorsShape(file: SafetensorsFile, name: string, parts: Parts): FactorShape {
  const [down, up] = [parts.get('down')?.shape, parts.get('up')?.shape];
  if (down?.length !== 2 || up?.length !== 2) throw invalid(file, `must hold two matrices of ${name}`);
  const [a2, a1] = down as [number, number];
  const [b1, b2] = up as [number, number];
  // Where one side of a factor is 1, rows lie as in A ⊗ B, or the whole as in B ⊗ A.
  if (a1 === 1 || b1 === 1) return { a1, a2, b1, b2 };
  if (a2 === 1 || b2 === 1) return { a1: b1, a2: b2, b1: a1, b2: a2 };
  return { a1, a2, b1, b2, rowOrder: 'b-major' };
}

/**
 * Whether a file is one of DiffuseKronA's authors: named as diffusers' first LoRA files, but its pairs are no products.
 * (Both at once cannot be: `in` would be a2² for every module.)
 */
export function isAuthors(modules: ReadonlyMap<string, Parts>): boolean {
  const pairs = [...modules].filter(([name]) => /\.processor\.to_(?:q|k|v|out)$/.test(name));
  return (
    pairs.length > 0 && pairs.some(([, parts]) => parts.get('up')?.shape[1] !== parts.get('down')?.shape[0])
  );
}

/** Sides of the weight that a form changes, e.g. `640×2048`; and how it is made of its factors. */
export function describeShape(shape: LayerShape): string {
  if (isKronecker(shape)) {
    const { a1, a2, b1, b2 } = shape;
    return `${a1}×${a2} ⊗ ${b1}×${b2} = ${a1 * b1}×${a2 * b2}`;
  }
  return isLowRank(shape) ? `rank ${shape.rank} of ${shape.out}×${shape.in}` : shape.shape.join('×');
}

export function invalid(file: Pick<SafetensorsFile, 'name'>, what: string): KronaError {
  return new KronaError('ADAPTER_INVALID', `${file.name} ${what}.`);
}
