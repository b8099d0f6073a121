/**
 * @file The one list of operations that graphs are made of, with the parameters of each.
 * Every table of rules (shapes, gradients, ONNX) is typed over it and must be total.
 */

/** bfloat16 is for weights only: cast before use. */
export type DType = 'float32' | 'float16' | 'bfloat16' | 'int64';
export type Shape = readonly number[];

/** Rows [top, left, bottom, right] of zeros around the last two axes. */
export type Pads = readonly [number, number, number, number];

/** Where a tensor's bytes lie: little-endian, row-major, in a file that is never copied. */
export interface ByteRange {
  readonly path: string;
  /** Bytes from the start of the file. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
}

type None = Readonly<Record<never, never>>;

export interface PrimitiveParams {
  // Leaves
  /** Fed at each run. */
  input: { readonly name: string; readonly shape: Shape; readonly dtype: DType };
  /** Frozen, read from a model's own file. */
  weight: { readonly name: string; readonly shape: Shape; readonly dtype: DType; readonly source: ByteRange };
  /** Small and known when the graph is built. */
  constant: { readonly shape: Shape; readonly data: Float32Array | BigInt64Array };

  // Elementwise; two inputs broadcast as in NumPy
  neg: None;
  exp: None;
  log: None;
  sqrt: None;
  abs: None;
  sign: None;
  erf: None;
  sin: None;
  cos: None;
  tanh: None;
  sigmoid: None;
  /** x · sigmoid(x). */
  silu: None;
  /** x · Φ(x), exact (erf). */
  gelu: None;
  /** x · sigmoid(1.702 x). */
  quickGelu: None;
  add: None;
  sub: None;
  mul: None;
  div: None;
  min: None;
  max: None;
  /** 1 where a < b, else 0; float. */
  less: None;
  cast: { readonly to: DType };
  /** x, through which no gradient flows. */
  stopGradient: None;
  /** x (first input), computed only after all other inputs are. Orders recomputation (activation checkpointing). */
  after: None;

  // Movement
  reshape: { readonly shape: Shape };
  transpose: { readonly perm: readonly number[] };
  broadcast: { readonly shape: Shape };
  slice: {
    readonly starts: readonly number[];
    readonly ends: readonly number[];
    readonly steps: readonly number[];
  };
  /** Zeros before and after each axis. */
  pad: { readonly before: readonly number[]; readonly after: readonly number[] };
  concat: { readonly axis: number };
  /** Each row and column of [B,C,H,W] twice. */
  upsample2x: None;
  /** Sum of each 2×2 window of [B,C,H,W]: upsample2x backward. */
  sumPool2x: None;
  /** Rows of a table [V,D] by int64 ids [...] → [...,D]. */
  gatherRows: None;
  /** Rows [N,D] added up by int64 ids [N] into zeros [rows,D]: gatherRows backward. */
  scatterAddRows: { readonly rows: number };

  // Reductions; reduced axes stay with length 1
  reduceSum: { readonly axes: readonly number[] };
  reduceMean: { readonly axes: readonly number[] };

  // Products
  /** [...,M,K] · [...,K,N]; leading axes broadcast. */
  matmul: None;
  /** x [B,C,H,W], w [K,C,kh,kw], and if there is one, bias [K]. */
  conv2d: { readonly stride: number; readonly pads: Pads };
  /** Each channel by its own window: x [B,C,H,W], w [C,1,kh,kw], and if there is one, bias [C]. */
  depthwiseConv2d: { readonly stride: number; readonly pads: Pads };
  /** Gradient by x: dy [B,K,H',W'], w [K,C,kh,kw] → [B,C,H,W]. */
  conv2dInputGrad: { readonly stride: number; readonly pads: Pads; readonly size: readonly [number, number] };
  /** Gradient by w: x [B,C,H,W], dy [B,K,H',W'] → [K,C,kh,kw]. */
  conv2dWeightGrad: {
    readonly stride: number;
    readonly pads: Pads;
    readonly kernel: readonly [number, number];
  };

  // Normalisation and attention
  /** Over the last axis. */
  softmax: None;
  /** x [...,D], scale [D], bias [D]; over the last axis. */
  layerNorm: { readonly eps: number };
  /** x [B,C,...], scale [C], bias [C]; over each group of channels. */
  groupNorm: { readonly groups: number; readonly eps: number };
  /** q [B,S,H·D], k and v [B,T,H·D] → [B,S,H·D]: softmax(q kᵀ · scale) v in every head. */
  attention: { readonly heads: number; readonly scale: number };
}

export type Primitive = keyof PrimitiveParams;

/** Leaves hold or receive data and have no inputs. */
export type Leaf = 'input' | 'weight' | 'constant';
