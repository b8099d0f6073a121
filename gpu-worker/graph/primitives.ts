/**
 * @file The operations of graphs, with the parameters and inputs of each. Every table of rules (shapes, gradients,
 * ONNX) is typed over them and must be complete.
 */
import type { Tensor } from './tensor.ts';

/** bfloat16 is for weights only: cast before use. */
export type DType = 'float32' | 'float16' | 'bfloat16' | 'int64';
export type Shape = readonly number[];

/** Rows [top, left, bottom, right] of zeros around the last two axes. */
export type Pads = readonly [number, number, number, number];

/** Location of a tensor's bytes: little-endian, row-major, in a file that is never copied. */
export interface ByteRange {
  readonly path: string;
  /** Bytes from the start of the file. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
}

type None = Readonly<Record<never, never>>;

/** The arguments of a primitive: parameters known when the graph is built, and tensors. */
interface Signature<Params, Inputs extends readonly Tensor[]> {
  readonly params: Params;
  readonly inputs: Inputs;
}
type LeafOf<Params> = Signature<Params, readonly []>;
type Unary<Params = None> = Signature<Params, readonly [Tensor]>;
type Binary<Params = None> = Signature<Params, readonly [Tensor, Tensor]>;
type Ternary<Params = None> = Signature<Params, readonly [Tensor, Tensor, Tensor]>;
/** x, weight and, optionally, a bias. */
type Convolution<Params> = Signature<Params, readonly [Tensor, Tensor, ...Tensor[]]>;
/** One tensor or more. */
type Several<Params = None> = Signature<Params, readonly [Tensor, ...Tensor[]]>;

export interface Primitives {
  // Leaves
  /** Fed at each run. */
  input: LeafOf<{ readonly name: string; readonly shape: Shape; readonly dtype: DType }>;
  /** Frozen, read from a model's own file. */
  weight: LeafOf<{
    readonly name: string;
    readonly shape: Shape;
    readonly dtype: DType;
    readonly source: ByteRange;
  }>;
  /** Small, and known when the graph is built. */
  constant: LeafOf<{ readonly shape: Shape; readonly data: Float32Array | BigInt64Array }>;

  // Elementwise; two inputs broadcast as in NumPy
  neg: Unary;
  exp: Unary;
  log: Unary;
  sqrt: Unary;
  abs: Unary;
  sign: Unary;
  erf: Unary;
  sin: Unary;
  cos: Unary;
  tanh: Unary;
  sigmoid: Unary;
  /** x · sigmoid(x). */
  silu: Unary;
  /** x · Φ(x), exact (erf). */
  gelu: Unary;
  /** x · sigmoid(1.702 x). */
  quickGelu: Unary;
  add: Binary;
  sub: Binary;
  mul: Binary;
  div: Binary;
  min: Binary;
  max: Binary;
  /** 1 where a < b, else 0; float. */
  less: Binary;
  cast: Unary<{ readonly to: DType }>;
  /** x, through which no gradient flows. */
  stopGradient: Unary;
  /** x (first input), computed only after all other inputs. Orders recomputation (activation checkpointing). */
  after: Several;

  // Movement
  reshape: Unary<{ readonly shape: Shape }>;
  transpose: Unary<{ readonly perm: readonly number[] }>;
  broadcast: Unary<{ readonly shape: Shape }>;
  slice: Unary<{
    readonly starts: readonly number[];
    readonly ends: readonly number[];
    readonly steps: readonly number[];
  }>;
  /** Zeros before and after each axis. */
  pad: Unary<{ readonly before: readonly number[]; readonly after: readonly number[] }>;
  concat: Several<{ readonly axis: number }>;
  /** Each row and column of [B,C,H,W] twice. */
  upsample2x: Unary;
  /** Sum of each 2×2 window of [B,C,H,W]: upsample2x backward. */
  sumPool2x: Unary;
  /** Rows of a table [V,D] by int64 ids [...] → [...,D]. */
  gatherRows: Binary;
  /** Rows [N,D] added up by int64 ids [N] into zeros [rows,D]: gatherRows backward. */
  scatterAddRows: Binary<{ readonly rows: number }>;

  // Reductions; reduced axes stay with length 1
  reduceSum: Unary<{ readonly axes: readonly number[] }>;
  reduceMean: Unary<{ readonly axes: readonly number[] }>;

  // Products
  /** [...,M,K] · [...,K,N], times `alpha`, 1 by default; leading axes broadcast. */
  matmul: Binary<{ readonly alpha?: number }>;
  /** x [B,C,H,W], w [K,C,kh,kw] and, optionally, bias [K]. */
  conv2d: Convolution<{ readonly stride: number; readonly pads: Pads }>;
  /** Each channel with a separate window: x [B,C,H,W], w [C,1,kh,kw] and, optionally, bias [C]. */
  depthwiseConv2d: Convolution<{ readonly stride: number; readonly pads: Pads }>;
  /** Gradient by x: dy [B,K,H',W'], w [K,C,kh,kw] → [B,C,H,W]. */
  conv2dInputGrad: Binary<{
    readonly stride: number;
    readonly pads: Pads;
    readonly size: readonly [number, number];
  }>;
  /** Gradient by w: x [B,C,H,W], dy [B,K,H',W'] → [K,C,kh,kw]. */
  conv2dWeightGrad: Binary<{
    readonly stride: number;
    readonly pads: Pads;
    readonly kernel: readonly [number, number];
  }>;

  // Normalisation and attention
  /** Over the last axis. */
  softmax: Unary;
  /** x [...,D], scale [D], bias [D]; over the last axis. */
  layerNorm: Ternary<{ readonly eps: number }>;
  /** Gradient of gelu by x, from x and dy. */
  geluGrad: Binary;
  /** Gradient of softmax by its input, from its result y and dy. */
  softmaxGrad: Binary;
  /** Gradient of layerNorm by x, from x and dy·scale. */
  layerNormGrad: Binary<{ readonly eps: number }>;
  /** x [B,C,...], scale [C], bias [C]; over each group of channels. */
  groupNorm: Ternary<{ readonly groups: number; readonly eps: number }>;
  /** q [B,S,H·D], k and v [B,T,H·D] → [B,S,H·D]: softmax(q kᵀ · scale) v in every head. */
  attention: Ternary<{ readonly heads: number; readonly scale: number }>;
}

export type Primitive = keyof Primitives;
export type Params<P extends Primitive> = Primitives[P]['params'];
export type Inputs<P extends Primitive> = Primitives[P]['inputs'];

/** Primitives that take tensors of this form, e.g. `Taking<readonly [Tensor]>`. */
export type Taking<Form> = {
  [P in Primitive]: Primitives[P]['inputs'] extends Form ? P : never;
}[Primitive];

/** Leaves hold or receive data and have no inputs. */
export type Leaf = Taking<readonly []>;
