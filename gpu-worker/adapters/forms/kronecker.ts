/**
 * @file Kronecker products, DiffuseKronA's ΔW = A ⊗ B (arXiv 2402.17412, §3.2), A on the left; in files LoKr
 * (`lokr_w1` = A, `lokr_w2` = B), which ComfyUI, the web UIs and LyCORIS read. Format: LyCORIS `lycoris/modules/lokr.py`.
 */
import { KronaError } from '../../../core/errors.ts';
import * as op from '../../graph/ops.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { ParameterShape } from '../../models/parameters.ts';
import { readFloats, type StoredTensor } from '../../models/safetensors.ts';
import {
  area,
  invalid,
  kernelAxes,
  kernelOf,
  layersOfClass,
  matrixSides,
  storedLayer,
  type AsLowRank,
  type FileDtype,
  type FileModule,
  type FileTensors,
  type Form,
  type Kernel,
  type Layer,
  type LayerShape,
  type Use,
} from './form.ts';
import { asLowRank } from './kronecker-as-low-rank.ts';
import {
  kroneckerByWideFactor,
  kroneckerLinear,
  kroneckerProduct,
  type KroneckerSides,
} from './kronecker-graph.ts';
import { multiply, tucker } from './matrices.ts';
import { decomposeFactor } from './peft-factor.ts';

/**
 * Products of at most this many numbers are formed and added to the weight. For small layers this is faster than
 * products with the factors, whose transpositions take most of the time; larger ones would pay for the gradient of the
 * whole weight.
 */
const FORMED = 1 << 16;

export class KroneckerShape implements LayerShape, KroneckerSides {
  readonly a1: number;
  readonly a2: number;
  readonly b1: number;
  readonly b2: number;
  readonly kernel: Kernel | undefined;
  readonly rowOrder: 'b-major' | undefined;

  constructor({ a1, a2, b1, b2, kernel, rowOrder }: KroneckerSides) {
    this.a1 = a1;
    this.a2 = a2;
    this.b1 = b1;
    this.b2 = b2;
    this.kernel = kernel;
    this.rowOrder = rowOrder;
  }

  get form(): Form {
    return kronecker;
  }

  get parts(): ParameterShape[] {
    return [
      { name: '.a', shape: [this.a1, this.a2] },
      { name: '.b', shape: [this.b1, this.b2 * area(this.kernel)] },
    ];
  }

  get programKey(): string {
    return `:${this.a1}x${this.a2}${this.rowOrder ?? ''}`;
  }

  get inputs(): number {
    return this.a2 * this.b2;
  }

  get size(): number {
    return this.a1 * this.b1 * this.inputs * area(this.kernel);
  }

  describe(): string {
    const { a1, a2, b1, b2 } = this;
    return `${a1}×${a2} ⊗ ${b1}×${b2} = ${a1 * b1}×${a2 * b2}`;
  }

  facts() {
    return { factors: { a1: this.a1, a2: this.a2 } };
  }

  fit(weight: readonly number[]): KroneckerShape | null {
    const { a1, a2, b1, b2, rowOrder } = this;
    const [out, inputs = 0] = weight;
    const kernel = kernelOf(weight);
    if (a1 * b1 !== out) return null;
    if (a2 * b2 === inputs && area(this.kernel) === area(kernel))
      return new KroneckerShape({ a1, a2, b1, b2, kernel, rowOrder });
    // LyCORIS flattens the kernel of a low-rank B.
    return area(this.kernel) === 1 && a2 * b2 === inputs * area(kernel) && b2 % area(kernel) === 0
      ? new KroneckerShape({ a1, a2, b1, b2: b2 / area(kernel), kernel, rowOrder })
      : null;
  }

  /** Convolutions are always formed: Krona trains none, but files of other programs change them. */
  #isFormed(byRow: boolean): boolean {
    const { a1, a2, b1, b2, kernel } = this;
    return kernel !== undefined || (!byRow && a1 * a2 * b1 * b2 <= FORMED);
  }

  // Scaling A, the smaller factor, scales the product.
  weightChange({ part, strength, byRow }: Use): Tensor | null {
    return this.#isFormed(byRow) ? kroneckerProduct(this, op.mul(part('.a'), strength), part('.b')) : null;
  }

  /** Whether A ⊗ I costs little beside the layer's weight, and its product is not formed anyway. */
  get gainsByWideFactor(): boolean {
    return this.rowOrder === undefined && 4 * this.b2 <= this.b1 && !this.#isFormed(false);
  }

  outputChange(x: Tensor, { part, strength, byRow, wide }: Use): Tensor | null {
    if (this.#isFormed(byRow)) return null;
    if (wide) return kroneckerByWideFactor(x, op.mul(wide, strength), part('.b'));
    return kroneckerLinear(x, op.mul(part('.a'), strength), part('.b'), this.rowOrder);
  }

  /** ‖A ⊗ B‖² = ‖A‖²·‖B‖² */
  squaredNorm(part: Use['part']): Tensor {
    return op.mul(op.sumOfSquares(part('.a')), op.sumOfSquares(part('.b')));
  }

  withNumbers(take: (part: string) => Float32Array): KroneckerLayer {
    return new KroneckerLayer(this, take('.a'), take('.b'));
  }
}

export class KroneckerLayer extends KroneckerShape implements Layer {
  /** a1 × a2 */
  readonly a: Float32Array;
  /** b1 × b2·kh·kw */
  readonly b: Float32Array;

  constructor(sides: KroneckerSides, a: Float32Array, b: Float32Array) {
    super(sides);
    this.a = a;
    this.b = b;
  }

  get numbers() {
    return [this.a, this.b];
  }

  delta(): Float32Array {
    const { a1, a2, b1, a, b, rowOrder } = this;
    const columns = b.length / b1;
    const delta = new Float32Array(a1 * a2 * b.length);
    for (const [n, x] of a.entries()) {
      const [i, j] = [Math.floor(n / a2), n % a2];
      for (let p = 0; p < b1; p++) {
        const row = rowOrder === undefined ? i * b1 + p : p * a1 + i;
        const values = b.subarray(p * columns, (p + 1) * columns).map((y) => x * y);
        delta.set(values, (row * a2 + j) * columns);
      }
    }
    return delta;
  }

  withoutScale(): Layer {
    return this;
  }

  tensors(dtype: FileDtype): FileTensors {
    const { a1, a2, b1, b2, kernel, a, b } = this;
    // Loaders ignore alpha when both factors are whole, but LyCORIS and kohya require one, and one version of
    // ComfyUI divides it by floor(b1/a1): this value means a scale of 1 to all of them. 0 would break some.
    const alpha = Math.floor(b1 / a1);
    return {
      '.lokr_w1': { dtype, shape: [a1, a2], data: a },
      '.lokr_w2': { dtype, shape: [b1, b2, ...kernelAxes(kernel)], data: b },
      ...(alpha >= 1 && { '.alpha': { dtype: 'F32', shape: [], data: Float32Array.of(alpha) } }),
    };
  }

  lokrTensors(dtype: FileDtype): FileTensors | null {
    return this.rowOrder === undefined ? this.tensors(dtype) : null;
  }

  asLowRank(rank?: number): AsLowRank | null {
    return asLowRank(this, rank);
  }
}

/** One of LoKr's two factors in a file: whole, or a product that is multiplied out. */
interface StoredFactor {
  readonly sides: readonly number[];
  /** Of a product; null for a whole factor. */
  readonly rank: number | null;
  readonly read: () => Promise<Float32Array>;
}

/** @throws KronaError ADAPTER_INVALID */
function storedFactor({ file, name, parts }: FileModule, which: 'lokr_w1' | 'lokr_w2'): StoredFactor {
  const [whole, left, right] = [which, `${which}_a`, `${which}_b`].map((part) => parts.get(part));
  const core = which === 'lokr_w2' ? parts.get('lokr_t2') : undefined;
  const axes = whole && which === 'lokr_w2' ? [2, 4] : [2];
  for (const { shape } of [whole, left, right].filter((tensor) => tensor !== undefined))
    if (!axes.includes(shape.length) || shape.includes(0))
      throw invalid(file, `gives ${name}.${which} the shape [${shape.join(', ')}]; expected a matrix`);
  if (whole && !left && !right && !core)
    return { sides: whole.shape, rank: null, read: () => readFloats(whole) };
  const product = !whole && left && right && storedProduct(left, right, core);
  if (!product)
    throw invalid(file, `must hold either ${name}.${which} or both of ${which}_a and ${which}_b that fit`);
  return product;
}

/** A factor as a product, or with a Tucker core [i, j, kh, kw] between factors [i, p] and [j, q]; null if they don't fit. */
function storedProduct(
  left: StoredTensor,
  right: StoredTensor,
  core: StoredTensor | undefined,
): StoredFactor | null {
  const [first, second] = [matrixSides(left.shape), matrixSides(right.shape)];
  if (first === null || second === null) return null;
  const [i, j] = [first[0], second[0]];
  if (core) {
    const kernel = kernelOf(core.shape);
    if (core.shape.length !== 4 || !kernel || core.shape[0] !== i || core.shape[1] !== j) return null;
    return {
      sides: [first[1], second[1], ...kernel],
      rank: j,
      read: async () =>
        tucker(await readFloats(core), await readFloats(left), await readFloats(right), [i, j]),
    };
  }
  if (first[1] !== j) return null;
  return {
    sides: [i, second[1]],
    rank: j,
    read: async () => multiply(await readFloats(left), await readFloats(right), j),
  };
}

export const kronecker: Form = {
  format: 'lokr',
  method: 'krona',
  of: 'module',
  factored: true,
  suffixes: [[/\.(lokr_(?:w[12](?:_[ab])?|t2))$/, null]],

  open(module) {
    const [w1, w2] = [storedFactor(module, 'lokr_w1'), storedFactor(module, 'lokr_w2')];
    const [a1 = 0, a2 = 0] = w1.sides;
    const [b1 = 0, b2 = 0] = w2.sides;
    const shape = new KroneckerShape({ a1, a2, b1, b2, kernel: kernelOf(w2.sides) });
    const scaling = { kind: 'lokr', rank: w1.rank ?? w2.rank } as const;
    return [
      storedLayer(shape, scaling, async (fitted, scale) => {
        const [a, b] = [await w1.read(), await w2.read()];
        return new KroneckerLayer(fitted, scale === 1 ? a : a.map((value) => value * scale), b);
      }),
    ];
  },

  network: ({ a1, a2 }) => ({
    module: 'lycoris.kohya',
    // A rank that means "both factors whole" to LyCORIS; its factor is one number, so only square A has one.
    dim: '100000',
    alpha: '1',
    args: {
      algo: 'lokr',
      preset: 'attn-only',
      factor: a1 !== undefined && a1 === a2 ? String(a1) : '-1',
      full_matrix: 'True',
    },
  }),

  peft(layers, dtype) {
    const products = layersOfClass(layers, KroneckerLayer);
    const permuted = [...products].find(([, { rowOrder }]) => rowOrder !== undefined);
    if (permuted)
      throw new KronaError(
        'ADAPTER_UNREPRESENTABLE',
        `${permuted[0]} is changed by a row-permuted product, which LoKr can't hold; convert with --to lora, which is exact.`,
      );
    const factor = decomposeFactor(products);
    // From this rank on PEFT takes B whole.
    const rank = [...products.values()].reduce((most, { b1, b2 }) => Math.max(most, b1, b2), 1);
    return {
      tensors: new Map(
        [...products].map(([path, layer]) => {
          const { '.alpha': _alpha, ...tensors } = layer.tensors(dtype);
          return [path, tensors];
        }),
      ),
      config: {
        peft_type: 'LOKR',
        r: rank,
        // PEFT scales whole factors too, by alpha/r.
        alpha: rank,
        decompose_both: false,
        decompose_factor: factor,
        use_effective_conv2d: false,
        rank_dropout: 0,
        rank_dropout_scale: false,
        module_dropout: 0,
        init_weights: true,
        rank_pattern: {},
        alpha_pattern: {},
      },
    };
  },
};
