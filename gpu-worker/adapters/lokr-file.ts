/**
 * @file Kronecker adapters as LoKr .safetensors files, which ComfyUI, the web UIs and LyCORIS read: for each
 * projection `lokr_w1` = A and `lokr_w2` = B with ΔW = A ⊗ B, A on the left. Not the authors' original files:
 * those hold a row-permuted product. Format: LyCORIS `lycoris/modules/lokr.py`, kohya's metadata keys.
 */
import { KronaError } from '../../storage/errors.ts';
import type { ProjectionShape } from '../../storage/settings.ts';
import {
  openSafetensors,
  readFloats,
  writeSafetensors,
  type SafetensorsFile,
  type StoredTensor,
  type TensorToWrite,
} from '../models/safetensors.ts';
import { kohyaName, projectionPath, type BlockLayers } from './naming.ts';

/** One adapted projection: W [a1·b1, a2·b2] += A ⊗ B, both row-major. */
export interface KroneckerFactors {
  readonly a1: number;
  readonly a2: number;
  readonly b1: number;
  readonly b2: number;
  /** a1 × a2 */
  readonly a: Float32Array;
  /** b1 × b2 */
  readonly b: Float32Array;
}

/** By module path as in diffusers, e.g. `mid_block.attentions.0.transformer_blocks.0.attn1.to_q`. */
export type KroneckerLayers = ReadonlyMap<string, KroneckerFactors>;

/** What a file says about how it was made. */
export interface AdapterInfo {
  /** Name of the model that it was trained on, and a fingerprint of its UNet. */
  readonly baseModel: string;
  readonly baseHash: string;
  readonly a1: number;
  readonly a2: number;
  /** The word that stands for the subject in prompts, and what kind of thing it is. */
  readonly subjectToken: string;
  readonly subjectClass: string;
  readonly steps: number;
  readonly seed: number;
  /** Side of the training pictures, pixels. */
  readonly resolution: number;
  readonly predictionType: string;
  /** All settings of the run, as JSON values. */
  readonly settings: Readonly<Record<string, unknown>>;
}

/** What the adapter is applied to. */
export interface AdapterBase {
  readonly name: string;
  /** The UNet's layers_per_block. */
  readonly layers: BlockLayers;
  readonly projections: readonly ProjectionShape[];
}

export interface LokrFile {
  readonly layers: KroneckerLayers;
  readonly metadata: ReadonlyMap<string, string>;
}

/** Layers of every published SD and SDXL UNet: what names mean when a file does not say it. */
const USUAL_LAYERS: BlockLayers = [2, 2, 2, 2];

/**
 * Writes an adapter; the same one gives the same bytes, so no date is in it.
 *
 * @param base layers_per_block of the UNet, for the names of its blocks
 * @param dtype F16 halves the file and rounds the factors
 * @throws KronaError DISK_FULL, FILE_UNWRITABLE
 */
export async function writeLokr(
  path: string,
  layers: KroneckerLayers,
  base: BlockLayers,
  info: AdapterInfo,
  dtype: 'F32' | 'F16' = 'F32',
): Promise<void> {
  const tensors = new Map<string, TensorToWrite>();
  for (const [module, { a1, a2, b1, b2, a, b }] of layers) {
    const name = kohyaName(module, base);
    tensors.set(`${name}.lokr_w1`, { dtype, shape: [a1, a2], data: a });
    tensors.set(`${name}.lokr_w2`, { dtype, shape: [b1, b2], data: b });
    // Loaders ignore alpha when both factors are whole, but LyCORIS and kohya require one, and one version of
    // ComfyUI divides it by floor(b1/a1): this value means a scale of 1 to all of them. 0 would break some.
    const alpha = Math.floor(b1 / a1);
    if (alpha >= 1)
      tensors.set(`${name}.alpha`, { dtype: 'F32', shape: [], data: new Float32Array([alpha]) });
  }
  await writeSafetensors(path, tensors, lokrMetadata(info, base));
}

function lokrMetadata(info: AdapterInfo, base: BlockLayers): Map<string, string> {
  const { a1, a2, resolution } = info;
  return new Map(
    Object.entries({
      format: 'pt',
      // kohya's. The version is what the web UIs tell SDXL files by.
      ss_v2: 'False',
      ss_base_model_version: 'sdxl_base_v1-0',
      ss_sd_model_name: info.baseModel,
      ss_network_module: 'lycoris.kohya',
      // A rank that means "both factors whole" to LyCORIS; its factor is one number, so only square A has one.
      ss_network_dim: '100000',
      ss_network_alpha: '1',
      ss_network_args: JSON.stringify({
        algo: 'lokr',
        preset: 'attn-only',
        factor: a1 === a2 ? String(a1) : '-1',
        full_matrix: 'True',
      }),
      ss_steps: String(info.steps),
      ss_seed: String(info.seed),
      ss_resolution: `(${resolution}, ${resolution})`,
      ss_output_name: info.subjectToken,
      'modelspec.sai_model_spec': '1.0.1',
      'modelspec.architecture': 'stable-diffusion-xl-v1-base/lora',
      'modelspec.implementation': 'https://github.com/Stability-AI/generative-models',
      'modelspec.title': `${info.subjectToken} ${info.subjectClass}`,
      'modelspec.resolution': `${resolution}x${resolution}`,
      'modelspec.prediction_type': info.predictionType === 'v_prediction' ? 'v' : info.predictionType,
      'modelspec.trigger_phrase': `${info.subjectToken} ${info.subjectClass}`,
      // Ours.
      'krona.version': '1',
      'krona.base_model': info.baseModel,
      'krona.base_hash': info.baseHash,
      'krona.layers_per_block': JSON.stringify(base),
      'krona.a1': String(a1),
      'krona.a2': String(a2),
      'krona.subject_token': info.subjectToken,
      'krona.subject_class': info.subjectClass,
      'krona.steps': String(info.steps),
      'krona.seed': String(info.seed),
      'krona.resolution': String(resolution),
      'krona.prediction_type': info.predictionType,
      'krona.settings': JSON.stringify(info.settings),
    }),
  );
}

/** The info that `writeLokr` stored; null for a file that another program made. */
export function adapterInfo(metadata: ReadonlyMap<string, string>): AdapterInfo | null {
  if (metadata.get('krona.version') !== '1') return null;
  const text = (key: string) => metadata.get(`krona.${key}`) ?? '';
  return {
    baseModel: text('base_model'),
    baseHash: text('base_hash'),
    a1: Number(text('a1')),
    a2: Number(text('a2')),
    subjectToken: text('subject_token'),
    subjectClass: text('subject_class'),
    steps: Number(text('steps')),
    seed: Number(text('seed')),
    resolution: Number(text('resolution')),
    predictionType: text('prediction_type'),
    settings: parseJson(text('settings'), {}),
  };
}

/** The tensors of one module, by what stands after its name: `lokr_w1`, `alpha`, … */
type Parts = ReadonlyMap<string, StoredTensor>;

/** Shapes of a module's factors, known without reading them. */
export type LokrShape = Pick<KroneckerFactors, 'a1' | 'a2' | 'b1' | 'b2'>;

/**
 * Modules of a LoKr file with the shapes of their factors, by diffusers path, or by the file's own name where
 * that is no attention projection of a UNet.
 *
 * @throws KronaError ADAPTER_INVALID
 */
export function lokrShapes(
  file: SafetensorsFile,
  layers: BlockLayers = fileLayers(file),
): Map<string, LokrShape> {
  const shapes = new Map<string, LokrShape>();
  for (const [name, parts] of modulesOf(file)) {
    const path = projectionPath(name, layers) ?? name;
    if (shapes.has(path)) throw invalid(file, `names ${path} twice`);
    shapes.set(path, shapeOf(file, name, parts));
  }
  return shapes;
}

/**
 * Reads a LoKr file of any program for a model: factors given as low-rank products are multiplied out, with
 * their scale alpha/rank in A. (With both factors whole the scale is 1 whatever alpha says, as in all loaders.)
 *
 * @throws KronaError ADAPTER_INVALID, ADAPTER_TARGETS_UNSUPPORTED (modules that this model's adapters do not
 * change), ADAPTER_BASE_MISMATCH (made for a model of other widths), SAFETENSORS_*, FILE_*
 */
export async function readLokr(path: string, base: AdapterBase): Promise<LokrFile> {
  const file = await openSafetensors(path);
  const projections = new Map(base.projections.map((projection) => [projection.path, projection]));
  const modules = new Map<string, Parts>();
  const unknown: string[] = [];
  for (const [name, parts] of modulesOf(file)) {
    const module = projectionPath(name, base.layers);
    if (module === null || !projections.has(module)) unknown.push(name);
    else if (modules.has(module)) throw invalid(file, `names ${module} twice`);
    else {
      const { a1, a2, b1, b2 } = shapeOf(file, name, parts);
      const { out, in: input } = projections.get(module)!;
      if (a1 * b1 !== out || a2 * b2 !== input)
        throw new KronaError(
          'ADAPTER_BASE_MISMATCH',
          `${file.name} was made for another model${madeFor(file)}: it changes ${module} by ` +
            `${a1}×${a2} ⊗ ${b1}×${b2} = ${a1 * b1}×${a2 * b2}, which in ${base.name} is ${out}×${input}.`,
        );
      modules.set(module, parts);
    }
  }
  if (unknown.length > 0)
    throw new KronaError(
      'ADAPTER_TARGETS_UNSUPPORTED',
      `${file.name} changes ${unknown.length} modules that are no attention projections of ${base.name}: ` +
        `${unknown.slice(0, 4).join(', ')}${unknown.length > 4 ? ', …' : ''}.`,
    );
  const layers = new Map<string, KroneckerFactors>();
  // In the model's order, whatever the file's.
  for (const module of projections.keys()) {
    const parts = modules.get(module);
    if (parts !== undefined) layers.set(module, await readFactors(file, module, parts));
  }
  return { layers, metadata: file.metadata };
}

/** Whether a file holds LoKr factors. */
export function isLokr(file: SafetensorsFile): boolean {
  return [...file.tensors.keys()].some((key) => /\.lokr_[wt][12]/.test(key));
}

function modulesOf(file: SafetensorsFile): Map<string, Map<string, StoredTensor>> {
  const modules = new Map<string, Map<string, StoredTensor>>();
  for (const [key, tensor] of file.tensors) {
    const match = /^(.+)\.(lokr_w[12](?:_[ab])?|lokr_t2|alpha|dora_scale)$/.exec(key);
    if (match === null) throw invalid(file, `has a tensor ${key}, which is no part of a LoKr adapter`);
    const [, name, part] = match as unknown as [string, string, string];
    const parts = modules.get(name);
    if (parts === undefined) modules.set(name, new Map([[part, tensor]]));
    else parts.set(part, tensor);
  }
  return modules;
}

function shapeOf(file: SafetensorsFile, name: string, parts: Parts): LokrShape {
  if (parts.has('dora_scale') || parts.has('lokr_t2'))
    throw new KronaError(
      'ADAPTER_TARGETS_UNSUPPORTED',
      `${file.name}: ${name} uses ${parts.has('lokr_t2') ? 'a Tucker core' : 'DoRA'}; plain LoKr is supported.`,
    );
  const size = (which: 'lokr_w1' | 'lokr_w2'): readonly [number, number] => {
    const [whole, left, right] = [which, `${which}_a`, `${which}_b`].map((part) => parts.get(part)?.shape);
    const matrices = [whole, left, right].filter((shape) => shape !== undefined);
    if (matrices.some((shape) => shape.length !== 2 || shape.includes(0)))
      throw invalid(file, `gives ${name}.${which} the shape [${matrices[0]!.join(', ')}]; expected a matrix`);
    if (whole !== undefined && left === undefined && right === undefined) return [whole[0]!, whole[1]!];
    if (whole === undefined && left !== undefined && right !== undefined && left[1] === right[0])
      return [left[0]!, right[1]!];
    throw invalid(file, `must hold either ${name}.${which} or both of ${which}_a and ${which}_b that fit`);
  };
  const [a1, a2] = size('lokr_w1');
  const [b1, b2] = size('lokr_w2');
  return { a1, a2, b1, b2 };
}

async function readFactors(file: SafetensorsFile, name: string, parts: Parts): Promise<KroneckerFactors> {
  const shape = shapeOf(file, name, parts);
  const a = await readMatrix(parts, 'lokr_w1');
  const b = await readMatrix(parts, 'lokr_w2');
  const rank = parts.get('lokr_w1_b')?.shape[0] ?? parts.get('lokr_w2_b')?.shape[0];
  const stored = parts.get('alpha');
  if (rank !== undefined && stored !== undefined) {
    const scale = (await readFloats(stored))[0]! / rank;
    if (!Number.isFinite(scale)) throw invalid(file, `gives ${name} an alpha that is no number`);
    a.forEach((value, i) => (a[i] = value * scale));
  }
  return { ...shape, a, b };
}

async function readMatrix(parts: Parts, which: 'lokr_w1' | 'lokr_w2'): Promise<Float32Array> {
  const whole = parts.get(which);
  if (whole !== undefined) return readFloats(whole);
  const left = await readFloats(parts.get(`${which}_a`)!);
  const right = await readFloats(parts.get(`${which}_b`)!);
  const [rows, rank] = parts.get(`${which}_a`)!.shape as [number, number];
  const columns = parts.get(`${which}_b`)!.shape[1]!;
  const product = new Float32Array(rows * columns);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) {
      let sum = 0;
      for (let r = 0; r < rank; r++) sum += left[i * rank + r]! * right[r * columns + j]!;
      product[i * columns + j] = sum;
    }
  return product;
}

function fileLayers(file: SafetensorsFile): BlockLayers {
  return parseJson(file.metadata.get('krona.layers_per_block'), USUAL_LAYERS);
}

/** Metadata comes from anybody: what is not the JSON it should be (an object, a list) counts as absent. */
function parseJson<T extends object>(text: string | undefined, fallback: T): T {
  try {
    const value: unknown = JSON.parse(text ?? '');
    return typeof value === 'object' && Array.isArray(value) === Array.isArray(fallback)
      ? (value as T)
      : fallback;
  } catch {
    return fallback;
  }
}

function madeFor(file: SafetensorsFile): string {
  const name = file.metadata.get('krona.base_model') ?? file.metadata.get('ss_sd_model_name');
  return name === undefined ? '' : ` (${name})`;
}

function invalid(file: SafetensorsFile, what: string): KronaError {
  return new KronaError('ADAPTER_INVALID', `${file.name} ${what}.`);
}
