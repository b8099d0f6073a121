/**
 * @file Opens adapter files of every known kind (file-modules.ts) and reads them as one form: ΔW of each module, with
 * scales worked out. Rules of scale: LoKr with whole factors has none, otherwise alpha/rank (LyCORIS); LoRA alpha/rank,
 * 1 without alpha (kohya); PEFT's and diffusers' by their configs; DiffuseKronA none.
 */
import { KronaError } from '../../core/errors.ts';
import { openSafetensors, readFloats, type SafetensorsFile } from '../models/safetensors.ts';
import {
  isDifference,
  isKronecker,
  isLowRank,
  type AdapterLayers,
  type Layer,
  type LayerShape,
} from './adapter.ts';
import { fileLayers } from './adapter-info.ts';
import type { AdapterBase } from './adapter-base.ts';
import {
  describeShape,
  DIFFERENCES,
  invalid,
  isAdapter,
  isAuthors,
  modulesOf,
  partShapes,
  type Parts,
} from './file-modules.ts';
import type { FactorShape } from './krona.ts';
import type { LowRankShape } from './lora.ts';
import { modulePath } from './module-names.ts';
import { diffusersScales, openPeft, type Scales } from './peft-config.ts';
import { checkStatedFamily, statedNotes } from './stated-facts.ts';
import type { BlockLayers } from './unet-layers.ts';

/** Files of kohya, LyCORIS and diffusers by what they hold most of; PEFT's folders; DiffuseKronA's own files. */
export type AdapterFormat = 'lokr' | 'lora' | 'peft' | 'diffusekrona' | 'difference';

export interface OpenAdapter {
  readonly file: SafetensorsFile;
  readonly format: AdapterFormat;
  /** By module path, or by the file's own name where that is no known module; differences by parameter. */
  readonly shapes: ReadonlyMap<string, LayerShape>;
  /** Trained numbers in the file. */
  readonly parameters: number;
  /** A module's name in the file. */
  nameOf(path: string): string;
  /** alpha/rank and the like of each LoRA; 1 for the rest. */
  scale(path: string): Promise<number>;
  /** The numbers of a layer; `shape` as in `shapes`, or as the base has it. */
  read(path: string, shape: LayerShape): Promise<Layer>;
}

export interface ReadAdapter {
  readonly layers: AdapterLayers;
  readonly metadata: ReadonlyMap<string, string>;
  readonly notes: readonly string[];
}

interface Module {
  readonly name: string;
  readonly parts: Parts;
  /** '' or the parameter's end. */
  readonly end: string;
}

/**
 * Opens an adapter; its weights are read with it where they are few.
 *
 * @param path a .safetensors file, or PEFT's folder
 * @param layers what block names count by, when the file does not say it
 * @throws KronaError ADAPTER_FORMAT_UNSUPPORTED, ADAPTER_METHOD_UNSUPPORTED, ADAPTER_TARGETS_UNSUPPORTED,
 * ADAPTER_INVALID, SAFETENSORS_*, FILE_*
 */
export async function openAdapter(path: string, layers?: BlockLayers): Promise<OpenAdapter> {
  const peft = await openPeft(path);
  const file = await openSafetensors(peft?.weights ?? path, true);
  if (!isAdapter(file)) {
    const [first] = file.tensors.keys();
    throw new KronaError(
      'ADAPTER_FORMAT_UNSUPPORTED',
      `${file.name} is no adapter that is known here (its first tensor: ${first ?? 'none'}); ` +
        'supported: LoKr, LoRA, PEFT folders, DiffuseKronA and differences.',
    );
  }
  const named = modulesOf(file);
  const authors = isAuthors(named);
  const scales = peft?.scales ?? diffusersScales(file);
  const shapes = new Map<string, LayerShape>();
  const modules = new Map<string, Module>();
  let parameters = 0;
  for (const [name, parts] of named) {
    const known = modulePath(name, layers ?? fileLayers(file.metadata)) ?? name;
    const module =
      peft?.encoder && known.startsWith('text_encoder.')
        ? known.replace('text_encoder', peft.encoder)
        : known;
    for (const [end, shape] of partShapes(file, name, parts, authors)) {
      if (shapes.has(module + end)) throw invalid(file, `names ${module + end} twice`);
      shapes.set(module + end, shape);
      modules.set(module + end, { name, parts, end });
    }
    for (const [part, { shape }] of parts)
      if (part !== 'alpha') parameters += shape.reduce((size, side) => size * side, 1);
  }
  const scaleOf = (path: string, shape: LayerShape): Promise<number> =>
    layerScale(file, modules.get(path)!, shape, authors ? null : scales);
  return {
    file,
    format: peft ? 'peft' : authors ? 'diffusekrona' : formatOf([...shapes.values()]),
    shapes,
    parameters,
    nameOf: (path) => modules.get(path)!.name,
    scale: (path) => scaleOf(path, shapes.get(path)!),
    async read(path, shape) {
      const module = modules.get(path)!;
      const scale = await scaleOf(path, shape);
      return isDifference(shape)
        ? { shape: shape.shape, delta: await readFloats(partOf(module)) }
        : isLowRank(shape)
          ? await readLowRank(module.parts, { ...shape, scale })
          : authors
            ? await readAuthors(module.parts, shape)
            : await readKronecker(module.parts, shape, scale);
    },
  };
}

/**
 * Reads an adapter for a model: every module must be there, with the sides that it has there.
 *
 * @returns `notes`: what may come out otherwise than its maker saw it, a sentence each
 * @throws KronaError as openAdapter; ADAPTER_TARGETS_UNSUPPORTED (modules that the model's adapters do not change),
 * ADAPTER_BASE_MISMATCH (made for a model of other widths, or by its metadata for another architecture)
 */
export async function readAdapter(path: string, base: AdapterBase): Promise<ReadAdapter> {
  return readOpened(await openAdapter(path, base.layers), base);
}

/** As readAdapter, of what is open. */
export async function readOpened(adapter: OpenAdapter, base: AdapterBase): Promise<ReadAdapter> {
  const { file, shapes } = adapter;
  const projections = new Map(base.projections.map((projection) => [projection.path, projection]));
  const fitted = new Map<string, LayerShape>();
  const unknown: string[] = [];
  for (const [module, shape] of shapes) {
    const projection = projections.get(module);
    const parameter = base.parameters?.get(module);
    if (isDifference(shape) ? parameter === undefined : projection === undefined)
      unknown.push(adapter.nameOf(module));
    else {
      const fit = isDifference(shape) ? fitDifference(shape, parameter!) : fitLayer(shape, projection!);
      if (fit === null) {
        const { out, in: inputs, kernel } = projection ?? { out: 0, in: 0, kernel: undefined };
        const sides = parameter?.join('×') ?? [out, inputs, ...(kernel ?? [])].join('×');
        throw new KronaError(
          'ADAPTER_BASE_MISMATCH',
          `${file.name} was made for another model${madeFor(file)}: it changes ${module} by ` +
            `${describeShape(shape)}, which in ${base.name} is ${sides}. Use the model that it was made for, or train one for this.`,
        );
      }
      fitted.set(module, fit);
    }
  }
  checkStatedFamily(file, base);
  if (unknown.length > 0) {
    throw new KronaError(
      'ADAPTER_TARGETS_UNSUPPORTED',
      `${file.name}${madeFor(file)} changes ${unknown.length} of ${shapes.size} modules that ${base.name} does not ` +
        `have or adapters do not change: ${unknown.slice(0, 4).join(', ')}${unknown.length > 4 ? ', …' : ''}. ` +
        'Use the model that it was made for.',
    );
  }
  const layers = new Map<string, Layer>();
  // In the model's order, whatever the file's.
  for (const module of [...projections.keys(), ...(base.parameters?.keys() ?? [])]) {
    const shape = fitted.get(module);
    if (shape !== undefined && !layers.has(module)) layers.set(module, await adapter.read(module, shape));
  }
  return { layers, metadata: file.metadata, notes: statedNotes(file, base) };
}

/** The shape as the base has it, or null when that is another. A pointwise convolution may be a matrix in the file. */
function fitLayer(
  shape: FactorShape | LowRankShape,
  {
    out,
    in: inputs,
    kernel,
  }: { readonly out: number; readonly in: number; readonly kernel?: readonly [number, number] },
): LayerShape | null {
  const area = (kernel?.[0] ?? 1) * (kernel?.[1] ?? 1);
  const own = (shape.kernel?.[0] ?? 1) * (shape.kernel?.[1] ?? 1);
  const { kernel: _kernel, ...rest } = shape;
  const sided = kernel ? { ...rest, kernel } : rest;
  if (isLowRank(shape)) {
    return shape.out === out && shape.in === inputs && own === area ? sided : null;
  }
  const { a1, a2, b1, b2 } = shape;
  if (a1 * b1 !== out) return null;
  if (a2 * b2 === inputs && own === area) return sided;
  // LyCORIS flattens the kernel of a low-rank B.
  return own === 1 && a2 * b2 === inputs * area ? { ...(sided as FactorShape), b2: b2 / area } : null;
}

function fitDifference(
  shape: { readonly shape: readonly number[] },
  wanted: readonly number[],
): LayerShape | null {
  return shape.shape.join() === wanted.join() ? { shape: wanted } : null;
}

function formatOf(shapes: readonly LayerShape[]): AdapterFormat {
  if (shapes.some(isKronecker)) return 'lokr';
  return shapes.some(isLowRank) ? 'lora' : 'difference';
}

async function layerScale(
  file: SafetensorsFile,
  { name, parts }: Module,
  shape: LayerShape,
  scales: Scales | null,
): Promise<number> {
  if (isDifference(shape)) return 1;
  const rank = isLowRank(shape)
    ? shape.rank
    : // A Tucker core's rank is the first axis of its right factor too.
      (parts.get('lokr_w1_b')?.shape[0] ?? parts.get('lokr_w2_b')?.shape[0] ?? null);
  const configured = scales?.(name, rank, isKronecker(shape) ? 'lokr' : 'lora');
  if (configured !== undefined) return configured;
  const stored = parts.get('alpha');
  // With both factors whole the scale is 1 whatever alpha says, as in all loaders.
  if (rank === null || stored === undefined) return 1;
  const scale = (await readFloats(stored))[0]! / rank;
  if (!Number.isFinite(scale)) throw invalid(file, `gives ${name} an alpha that is no number`);
  return scale;
}

function partOf({ parts, end }: Module) {
  return [...parts].find(([part]) => DIFFERENCES[part] === end)![1];
}

async function readLowRank(parts: Parts, shape: LowRankShape): Promise<Layer> {
  const up = await readFloats(parts.get('up')!);
  const down = await readFloats(parts.get('down')!);
  const mid = parts.get('mid');
  if (!mid) return { ...shape, down, up };
  // LoCon's Tucker core: up [out,p] · core [p,r,kh,kw] · down [r,in]; the core goes into down.
  const [p, r] = mid.shape as [number, number];
  const core = await readFloats(mid);
  const area = core.length / (p * r);
  const merged = new Float32Array(p * shape.in * area);
  for (let i = 0; i < p; i++)
    for (let c = 0; c < shape.in; c++)
      for (let k = 0; k < area; k++) {
        let sum = 0;
        for (let j = 0; j < r; j++) sum += core[(i * r + j) * area + k]! * down[j * shape.in + c]!;
        merged[(i * shape.in + c) * area + k] = sum;
      }
  return { ...shape, rank: p, down: merged, up };
}

/** A = Dᵀ and B = U; exchanged where `authorsShape` exchanged their sides. */
async function readAuthors(parts: Parts, shape: FactorShape): Promise<Layer> {
  const down = parts.get('down')!;
  const [a2, a1] = down.shape as [number, number];
  const d = await readFloats(down);
  const a = Float32Array.from(d, (_, i) => d[(i % a2) * a1 + Math.floor(i / a2)]!);
  const b = await readFloats(parts.get('up')!);
  const [b1, b2] = parts.get('up')!.shape;
  const exchanged = a1 !== 1 && b1 !== 1 && (a2 === 1 || b2 === 1);
  return exchanged ? { ...shape, a: b, b: a } : { ...shape, a, b };
}

async function readKronecker(parts: Parts, shape: FactorShape, scale: number): Promise<Layer> {
  const a = await readFactor(parts, 'lokr_w1');
  const b = await readFactor(parts, 'lokr_w2');
  if (scale !== 1) a.forEach((value, i) => (a[i] = value * scale));
  return { ...shape, a, b };
}

/** A factor, multiplied out where it is given as a low-rank product. */
async function readFactor(parts: Parts, which: 'lokr_w1' | 'lokr_w2'): Promise<Float32Array> {
  const whole = parts.get(which);
  if (whole !== undefined) return readFloats(whole);
  const [leftPart, rightPart] = [parts.get(`${which}_a`)!, parts.get(`${which}_b`)!];
  const left = await readFloats(leftPart);
  const right = await readFloats(rightPart);
  const core = which === 'lokr_w2' ? parts.get('lokr_t2') : undefined;
  const columns = rightPart.shape[1]!;
  if (core) return tucker(await readFloats(core), core.shape, left, leftPart.shape[1]!, right, columns);
  const [rows, rank] = leftPart.shape as [number, number];
  const product = new Float32Array(rows * columns);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) {
      let sum = 0;
      for (let r = 0; r < rank; r++) sum += left[i * rank + r]! * right[r * columns + j]!;
      product[i * columns + j] = sum;
    }
  return product;
}

/** Σ core[i,j,·] · left[i,p] · right[j,q] → [p,q,kh·kw]. */
function tucker(
  core: Float32Array,
  [ranks, others]: readonly number[],
  left: Float32Array,
  rows: number,
  right: Float32Array,
  columns: number,
): Float32Array {
  const area = core.length / (ranks! * others!);
  const product = new Float32Array(rows * columns * area);
  for (let p = 0; p < rows; p++)
    for (let q = 0; q < columns; q++)
      for (let k = 0; k < area; k++) {
        let sum = 0;
        for (let i = 0; i < ranks!; i++)
          for (let j = 0; j < others!; j++)
            sum += core[(i * others! + j) * area + k]! * left[i * rows + p]! * right[j * columns + q]!;
        product[(p * columns + q) * area + k] = sum;
      }
  return product;
}

function madeFor(file: SafetensorsFile): string {
  const { metadata } = file;
  const name =
    metadata.get('krona.base_model') ??
    metadata.get('ss_sd_model_name') ??
    metadata.get('ss_base_model_version') ??
    metadata.get('modelspec.architecture');
  return name === undefined ? '' : ` (${name})`;
}
