/**
 * @file What a form of ΔW is: how its numbers lie in the flat vector of an adapter, how a program applies it, and how
 * files hold it. Each form is one file of this folder and one line of forms.ts; nothing else tells forms apart.
 */
import { KronaError } from '../../../core/errors.ts';
import type { Method } from '../../../core/settings/choices.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { ParameterShape } from '../../models/parameters.ts';
import type { SafetensorsFile, StoredTensor, TensorToWrite } from '../../models/safetensors.ts';
import type { LowRankLayer } from './low-rank.ts';

/** Width of a file's numbers. */
export type FileDtype = 'F32' | 'F16';

export type Kernel = readonly [kh: number, kw: number];

/** Tensors of one module, by what follows its name, e.g. `.lokr_w1`. */
export type FileTensors = Readonly<Record<string, TensorToWrite>>;

/** How a program applies a layer. */
export interface Use {
  /** A tensor of the layer, by its name in `parts`. @throws Error if there is none */
  readonly part: (name: string) => Tensor;
  /** ΔW is multiplied by it, 1 as trained; a scalar or [1,1]. */
  readonly strength: Tensor;
  /** Each row of the batch has its own strength, so no product can be added to the weight that all rows share. */
  readonly byRow: boolean;
  /** A ⊗ I of a Kronecker layer, where the program has it (wide-factors.ts). */
  readonly wide?: Tensor | undefined;
}

/** The form of one module's ΔW and its sides, without the numbers. */
export interface LayerShape {
  readonly form: Form;
  /** The trained tensors, in the order of the flat vector; a name is what follows the module's path. */
  readonly parts: readonly ParameterShape[];
  /** The same for layers that one program can serve. */
  readonly programKey: string;
  /** Columns of ΔW, without a kernel's. */
  readonly inputs: number;
  /** Numbers of ΔW. */
  readonly size: number;
  /** Sides of the factors and of ΔW, for messages: `4×4 ⊗ 8×8 = 32×32`. */
  describe(): string;
  /** The shape of A, or the rank, of forms that have one. */
  facts(): { readonly factors?: { readonly a1: number; readonly a2: number }; readonly rank?: number };
  /** The tensor to add to the parameter, flat or in its shape; null if `outputChange` adds the change. */
  weightChange(use: Use): Tensor | null;
  /** What to add to the output of the linear module for its input x, without forming ΔW; null if the weight is changed. */
  outputChange(x: Tensor, use: Use): Tensor | null;
  /** Squared Frobenius norm of ΔW as trained, a scalar; ΔW isn't formed. @param part as in Use */
  squaredNorm(part: Use['part']): Tensor;
  /** @param take gives the numbers of a part by its name */
  withNumbers(take: (part: string) => Float32Array): Layer;
}

/** The form of one module's ΔW with its numbers. */
export interface Layer extends LayerShape {
  /** In the order of `parts`. */
  readonly numbers: readonly Float32Array[];
  /** ΔW [out, in·kh·kw], or of the parameter's own shape. */
  delta(): Float32Array;
  /** The same ΔW with its scale in its numbers, so that layers of all scales share a program. */
  withoutScale(): Layer;
  /** Its tensors in a file of its own kind, by kohya's and LyCORIS's names. */
  tensors(dtype: FileDtype): FileTensors;
  /** Its tensors in a LoKr file; null if no LoKr has this ΔW. */
  lokrTensors(dtype: FileDtype): FileTensors | null;
  /** The same ΔW as a LoRA, or the closest LoRA of `rank`; null if there is no exact one and no rank is given. */
  asLowRank(rank?: number): AsLowRank | null;
}

export interface AsLowRank {
  readonly layer: LowRankLayer;
  /** Squared Frobenius norms of the difference to ΔW and of ΔW; null if the LoRA is exact. */
  readonly loss: { readonly lost: number; readonly whole: number } | null;
}

/** One module of a file: its name there, and its tensors by what they are (`lokr_w1`, `down`, `alpha`, …). */
export interface FileModule {
  readonly file: Pick<SafetensorsFile, 'name'>;
  readonly name: string;
  readonly parts: ReadonlyMap<string, StoredTensor>;
}

/** A layer in a file, whose header is read and whose numbers are not. */
export interface StoredLayer {
  /** What follows the module's path in the layer's: '', or `.weight` and `.bias` of differences. */
  readonly end: string;
  /** The scale of a LoRA is left at 1. */
  readonly shape: LayerShape;
  /** How the module's alpha becomes a scale; null if it has none. */
  readonly scaling: Scaling | null;
  /** The same layer for a weight of this shape; null if it doesn't fit. */
  fit(weight: readonly number[]): StoredLayer | null;
  /**
   * @param base reads the weight that it changes, as changes relative to it need it
   * @throws KronaError FILE_*, SAFETENSORS_DTYPE, ADAPTER_NEEDS_MODEL
   */
  read(scale: number, base?: () => Promise<Float32Array>): Promise<Layer>;
  /** The same for a module without this parameter, here a bias: what to add to its output. */
  readonly asOutput?: StoredLayer;
  /** A module without this parameter stays unchanged. */
  readonly optional?: true;
}

export interface Scaling {
  readonly kind: 'lora' | 'lokr' | 'loha' | 'glora';
  /** alpha is divided by it; null if both factors are whole. */
  readonly rank: number | null;
}

/** kohya's description of a network in the metadata: module, rank, alpha and arguments. */
export interface NetworkFacts {
  readonly module: string;
  readonly dim: string;
  readonly alpha: string;
  readonly args?: Readonly<Record<string, string>>;
}

/** What a PEFT folder holds for layers of one form. Paths are those inside the part of the model. */
export interface PeftContents {
  readonly config: Readonly<Record<string, unknown>>;
  /** By path, then by what follows a module's name. */
  readonly tensors: ReadonlyMap<string, FileTensors>;
}

/** How files hold layers: names of tensors, and what they make. Some are read as layers of another form. */
export interface FileForm {
  readonly format: 'lokr' | 'lora' | 'difference' | 'loha' | 'glora' | 'oft' | 'ia3';
  /** How a tensor's name in a file ends → the part that it is; null for the pattern's first group. */
  readonly suffixes: readonly (readonly [pattern: RegExp, part: string | null])[];
  /** Layers that a module's parts hold. @throws KronaError ADAPTER_INVALID, ADAPTER_METHOD_UNSUPPORTED */
  open(module: FileModule): StoredLayer[];
}

export interface Form extends FileForm {
  /** The training method that makes it. */
  readonly method: Method;
  /** Whether its paths are those of modules, or of parameters with `.weight` or `.bias`. */
  readonly of: 'module' | 'parameter';
  /** Whether ΔW is a product, which other kinds of file can hold too. */
  readonly factored: boolean;
  network(facts: {
    readonly a1?: number;
    readonly a2?: number;
    readonly rank?: number;
    readonly alpha?: number;
  }): NetworkFacts;
  /** Layers of this form as PEFT has them. @throws KronaError ADAPTER_UNREPRESENTABLE */
  peft(layers: ReadonlyMap<string, Layer>, dtype: FileDtype): PeftContents;
}

/**
 * A layer in a file, made of its shape and a way to read its numbers.
 * @param shape `fit` gives the same for a weight of a shape (a pointwise convolution can be a matrix in a file), or null
 */
export function storedLayer<S extends LayerShape & { fit(weight: readonly number[]): S | null }>(
  shape: S,
  scaling: Scaling | null,
  read: (shape: S, scale: number) => Promise<Layer>,
  end = '',
): StoredLayer {
  return {
    end,
    shape,
    scaling,
    fit(weight) {
      const fitted = shape.fit(weight);
      return fitted && storedLayer(fitted, scaling, read, end);
    },
    read: (scale) => read(shape, scale),
  };
}

/** The layers, all of which must be of one class. @throws TypeError if one isn't */
export function layersOfClass<T extends Layer>(
  layers: ReadonlyMap<string, Layer>,
  type: abstract new (...args: never[]) => T,
): ReadonlyMap<string, T> {
  const found = new Map<string, T>();
  for (const [path, layer] of layers) {
    if (!(layer instanceof type)) throw new TypeError(`${path} is not a ${type.name}`);
    found.set(path, layer);
  }
  return found;
}

/** Sides of a matrix; null for a tensor with other than two axes. */
export function matrixSides(shape: readonly number[]): readonly [rows: number, columns: number] | null {
  const [rows, columns, ...rest] = shape;
  return rows === undefined || columns === undefined || rest.length > 0 ? null : [rows, columns];
}

/** The last two of a convolution's four axes; undefined for a matrix. */
export function kernelOf([, , kh, kw]: readonly number[]): Kernel | undefined {
  return kh === undefined || kw === undefined ? undefined : [kh, kw];
}

export const area = (kernel: Kernel | undefined): number => (kernel ? kernel[0] * kernel[1] : 1);

/** A convolution's kernel as further axes of a shape. */
export const kernelAxes = (kernel: Kernel | undefined): readonly number[] => kernel ?? [];

/** @param what continues the file's name: `has a tensor …` */
export function invalid(file: Pick<SafetensorsFile, 'name'>, what: string): KronaError {
  return new KronaError('ADAPTER_INVALID', `${file.name} ${what}.`);
}
