/**
 * @file Low-rank products, LoRA's ΔW = alpha/rank · up · down (arXiv 2106.09685), with down [rank, in] and up [out, rank];
 * for a convolution down is [rank, in, kh, kw]. In files with kohya's names (`lora_down`, `lora_up`, `alpha`), which
 * ComfyUI, the web UIs, kohya's trainer and diffusers read, or with PEFT's (`lora_A`, `lora_B`), which diffusers writes.
 */
import * as op from '../../graph/ops.ts';
import { sideOf } from '../../graph/shapes.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { ParameterShape } from '../../models/parameters.ts';
import { readFloats } from '../../models/safetensors.ts';
import {
  area,
  invalid,
  kernelAxes,
  kernelOf,
  layersOfClass,
  storedLayer,
  type AsLowRank,
  type FileDtype,
  type FileModule,
  type FileTensors,
  type Form,
  type Kernel,
  type Layer,
  type LayerShape,
  type StoredLayer,
  type Use,
} from './form.ts';
import { storedBias } from './difference.ts';
import { multiply, multiplyCore } from './matrices.ts';

export interface LowRankSides {
  readonly rank: number;
  readonly out: number;
  /** Without a kernel. */
  readonly in: number;
  readonly kernel?: Kernel | undefined;
  /** alpha/rank, or alpha/√rank for rank-stabilised LoRAs. */
  readonly scale: number;
}

const sidesOf = ({ rank, out, in: inputs, kernel, scale }: LowRankSides): LowRankSides => ({
  rank,
  out,
  in: inputs,
  kernel,
  scale,
});

export class LowRankShape implements LayerShape, LowRankSides {
  readonly rank: number;
  readonly out: number;
  readonly in: number;
  readonly kernel: Kernel | undefined;
  readonly scale: number;

  constructor({ rank, out, in: inputs, kernel, scale }: LowRankSides) {
    this.rank = rank;
    this.out = out;
    this.in = inputs;
    this.kernel = kernel;
    this.scale = scale;
  }

  get form(): Form {
    return lowRank;
  }

  get parts(): ParameterShape[] {
    return [
      { name: '.down', shape: [this.rank, this.in * area(this.kernel)] },
      { name: '.up', shape: [this.out, this.rank] },
    ];
  }

  get programKey(): string {
    return `:${this.rank}`;
  }

  get inputs(): number {
    return this.in;
  }

  get size(): number {
    return this.out * this.in * area(this.kernel);
  }

  describe(): string {
    return `rank ${this.rank} of ${this.out}×${this.in}`;
  }

  facts() {
    return { rank: this.rank };
  }

  fit(weight: readonly number[]): LowRankShape | null {
    const kernel = kernelOf(weight);
    const [out, inputs = 0] = weight;
    if (this.out !== out || this.size !== out * inputs * area(kernel)) return null;
    // LyCORIS flattens the kernel of LoHa's factors.
    const fits = this.in === inputs || this.kernel === undefined;
    return fits ? new LowRankShape({ ...sidesOf(this), in: inputs, kernel }) : null;
  }

  /** Linear modules change their output; a convolution's ΔW is formed. */
  weightChange({ part, strength }: Use): Tensor | null {
    return this.kernel ? op.matmul(part('.up'), op.mul(part('.down'), op.mul(strength, this.scale))) : null;
  }

  outputChange(x: Tensor, { part, strength }: Use): Tensor | null {
    if (this.kernel) return null;
    const down = op.mul(part('.down'), op.mul(strength, this.scale));
    return op.linear(op.linear(x, down), part('.up'));
  }

  /** ‖s·B·A‖² = s²·tr(BᵀB·AAᵀ), with B the factor `up` and A the factor `down`. */
  squaredNorm(part: Use['part']): Tensor {
    const { rank, scale } = this;
    const down = part('.down');
    const columns = sideOf(down, 1);
    // The products of all pairs of rows, summed in 32 bits whatever the program's precision.
    const gram = (x: Tensor, side: number): Tensor =>
      op.sum(op.mul(op.reshape(x, [rank, 1, side]), op.reshape(x, [1, rank, side])), [2]);
    const both = op.mul(gram(op.swap(part('.up')), this.out), gram(down, columns));
    return op.mul(op.reshape(op.sum(both), []), scale * scale);
  }

  withNumbers(take: (part: string) => Float32Array): LowRankLayer {
    return new LowRankLayer(this, take('.down'), take('.up'));
  }
}

export class LowRankLayer extends LowRankShape implements Layer {
  /** rank × in·kh·kw */
  readonly down: Float32Array;
  /** out × rank */
  readonly up: Float32Array;

  constructor(sides: LowRankSides, down: Float32Array, up: Float32Array) {
    super(sides);
    this.down = down;
    this.up = up;
  }

  get numbers() {
    return [this.down, this.up];
  }

  delta(): Float32Array {
    return multiply(this.up, this.down, this.rank, this.scale);
  }

  get alpha(): number {
    return this.scale * this.rank;
  }

  withoutScale(): LowRankLayer {
    return this.#rescaled(1, this.scale);
  }

  /** The same ΔW with another alpha, which rounds `up` unless the two differ by a power of two. */
  withAlpha(alpha: number): LowRankLayer {
    return this.#rescaled(alpha / this.rank, this.alpha / alpha);
  }

  #rescaled(scale: number, factor: number): LowRankLayer {
    if (factor === 1) return this;
    return new LowRankLayer(
      { ...sidesOf(this), scale },
      this.down,
      this.up.map((value) => value * factor),
    );
  }

  /** By PEFT's names, without the scale. */
  factors(dtype: FileDtype) {
    const { rank, out, in: inputs, kernel, down, up } = this;
    const point = kernel ? [1, 1] : [];
    return {
      '.lora_A.weight': { dtype, shape: [rank, inputs, ...kernelAxes(kernel)], data: down },
      '.lora_B.weight': { dtype, shape: [out, rank, ...point], data: up },
    };
  }

  get #alphaTensor() {
    return { dtype: 'F32', shape: [], data: Float32Array.of(this.alpha) } as const;
  }

  tensors(dtype: FileDtype): FileTensors {
    const { '.lora_A.weight': down, '.lora_B.weight': up } = this.factors(dtype);
    return { '.lora_down.weight': down, '.lora_up.weight': up, '.alpha': this.#alphaTensor };
  }

  /** w1 = [[1]], and up, down as the factors of w2, whose scale is alpha/rank too. */
  lokrTensors(dtype: FileDtype): FileTensors {
    const { rank, out, down, up } = this;
    return {
      '.lokr_w1': { dtype, shape: [1, 1], data: Float32Array.of(1) },
      '.lokr_w2_a': { dtype, shape: [out, rank], data: up },
      '.lokr_w2_b': { dtype, shape: [rank, down.length / rank], data: down },
      '.alpha': this.#alphaTensor,
    };
  }

  asLowRank(): AsLowRank {
    return { layer: this, loss: null };
  }
}

export const lowRank: Form = {
  format: 'lora',
  method: 'lora',
  of: 'module',
  factored: true,
  suffixes: [
    [/\.(?:lora_down|lora_A(?:\.\w+)?|lora\.down|lora_linear_layer\.down)\.weight$/, 'down'],
    [/\.(?:lora_up|lora_B(?:\.\w+)?|lora\.up|lora_linear_layer\.up)\.weight$/, 'up'],
    [/_lora\.down\.weight$/, 'down'],
    [/_lora\.up\.weight$/, 'up'],
    [/\.lora_mid\.weight$/, 'mid'],
    [/\.(?:lora_up|lora_B(?:\.\w+)?)\.bias$/, 'bias'],
  ],

  open(module) {
    const layer = openLowRank(module);
    const bias = module.parts.get('bias');
    // PEFT's `lora_bias`: the scale counts for it too.
    return bias ? [layer, storedBias('diff_b', bias, layer.scaling)] : [layer];
  },

  network: ({ rank = 0, alpha = rank }) => ({
    module: 'networks.lora',
    dim: String(rank),
    alpha: String(alpha),
  }),

  peft(layers, dtype) {
    const products = layersOfClass(layers, LowRankLayer);
    const [first] = products.values();
    if (first === undefined) throw new TypeError('a PEFT folder without layers');
    const others = (of: (layer: LowRankLayer) => number): Readonly<Record<string, number>> =>
      Object.fromEntries(
        [...products].flatMap(([path, layer]) => (of(layer) === of(first) ? [] : [[path, of(layer)]])),
      );
    return {
      tensors: new Map([...products].map(([path, layer]) => [path, layer.factors(dtype)])),
      config: {
        peft_type: 'LORA',
        r: first.rank,
        lora_alpha: first.alpha,
        lora_dropout: 0,
        bias: 'none',
        fan_in_fan_out: false,
        use_rslora: false,
        use_dora: false,
        init_lora_weights: true,
        rank_pattern: others(({ rank }) => rank),
        alpha_pattern: others(({ alpha }) => alpha),
      },
    };
  },
};

/** @throws KronaError ADAPTER_INVALID */
function openLowRank({ file, name, parts }: FileModule): StoredLayer {
  const [down, up, mid] = [parts.get('down'), parts.get('up'), parts.get('mid')];
  if (!down || !up) throw invalid(file, `must hold both factors of ${name}; it has one`);
  const [rank = 0, inputs = 0, ...kernel] = down.shape;
  const [out = 0, inner = 0, ...rest] = up.shape;
  const fits = mid
    ? mid.shape.length === 4 && mid.shape[1] === rank && mid.shape[0] === inner
    : inner === rank;
  // Beside a Tucker core, which has the kernel, both factors are pointwise.
  const points = mid ? [...kernel, ...rest] : rest;
  const whole = [2, 4].includes(down.shape.length) && !down.shape.includes(0);
  if (!whole || !fits || !points.every((side) => side === 1))
    throw invalid(
      file,
      `gives ${name} factors [${down.shape.join(', ')}] and [${up.shape.join(', ')}], which don't make a product`,
    );
  const shape = new LowRankShape({
    rank: Math.min(rank, inner),
    out,
    in: inputs,
    kernel: kernelOf((mid ?? down).shape),
    scale: 1,
  });
  return storedLayer(shape, { kind: 'lora', rank: shape.rank }, async (fitted, scale) => {
    const [b, a] = [await readFloats(up), await readFloats(down)];
    if (!mid) return new LowRankLayer({ ...sidesOf(fitted), scale }, a, b);
    // LoCon's Tucker core: up [out,p] · core [p,r,kh,kw] · down [r,in]; the core goes into down.
    const merged = multiplyCore(await readFloats(mid), a, inner, rank);
    return new LowRankLayer({ ...sidesOf(fitted), rank: inner, scale }, merged, b);
  });
}
