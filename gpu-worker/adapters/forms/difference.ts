/**
 * @file ΔW itself, with every number trained, as DreamBooth fine-tunes (arXiv 2208.12242). ΔW and not W is the trainable
 * vector: it starts at zero, weight decay pulls back to the model and not to zero, the base may be in half precision,
 * and the result has a strength as other adapters have. In files `diff`, `diff_b` of matrices and convolutions, `w_norm`,
 * `b_norm` of norms (LyCORIS `lycoris/modules/full.py`, `norms.py`), which LyCORIS, ComfyUI and the web UIs open like LoRAs.
 */
import { KronaError } from '../../../core/errors.ts';
import * as op from '../../graph/ops.ts';
import { sizeOf, type Tensor } from '../../graph/tensor.ts';
import type { ParameterShape } from '../../models/parameters.ts';
import { readFloats, type StoredTensor } from '../../models/safetensors.ts';
import {
  storedLayer,
  type FileDtype,
  type FileTensors,
  type Form,
  type Layer,
  type LayerShape,
  type Scaling,
  type StoredLayer,
  type Use,
} from './form.ts';

/** LyCORIS's names: of matrices and convolutions, and of norms. */
const ENDS = [
  ['diff', '.weight'],
  ['diff_b', '.bias'],
  ['w_norm', '.weight'],
  ['b_norm', '.bias'],
] as const;
type Part = (typeof ENDS)[number][0];

/** Of one parameter of the model, by its name with `.weight` or `.bias`. */
export class DifferenceShape implements LayerShape {
  readonly part: Part;
  readonly shape: readonly number[];
  /** A bias for a linear module that has none: it is added to the output. */
  readonly toOutput: boolean;

  constructor(part: Part, shape: readonly number[], toOutput = false) {
    this.part = part;
    this.shape = shape;
    this.toOutput = toOutput;
  }

  get form(): Form {
    return difference;
  }

  get parts(): ParameterShape[] {
    return [{ name: '', shape: this.shape }];
  }

  get programKey(): string {
    return this.toOutput ? ':output' : '';
  }

  get inputs(): number {
    return this.shape[1] ?? 0;
  }

  get size(): number {
    return sizeOf(this.shape);
  }

  describe(): string {
    return this.shape.join('×');
  }

  facts() {
    return {};
  }

  fit(weight: readonly number[]): DifferenceShape | null {
    return this.shape.join() === weight.join() ? this : null;
  }

  weightChange(use: Use): Tensor | null {
    return this.toOutput ? null : this.#scaled(use);
  }

  outputChange(x: Tensor, use: Use): Tensor | null {
    if (!this.toOutput) return null;
    return op.reshape(this.#scaled(use), [...x.shape.slice(1).map(() => 1), this.size]);
  }

  /** [1, size]: two axes, as the strength may be [1,1]. */
  #scaled({ part, strength }: Use): Tensor {
    return op.mul(op.reshape(part(''), [1, this.size]), strength);
  }

  squaredNorm(part: Use['part']): Tensor {
    return op.sumOfSquares(part(''));
  }

  withNumbers(take: (part: string) => Float32Array): DifferenceLayer {
    return new DifferenceLayer(this, take(''));
  }
}

export class DifferenceLayer extends DifferenceShape implements Layer {
  readonly values: Float32Array;

  constructor({ part, shape, toOutput }: DifferenceShape, values: Float32Array) {
    super(part, shape, toOutput);
    this.values = values;
  }

  get numbers() {
    return [this.values];
  }

  delta(): Float32Array {
    return this.values;
  }

  withoutScale(): Layer {
    return this;
  }

  tensors(dtype: FileDtype): FileTensors {
    return { [`.${this.part}`]: { dtype, shape: this.shape, data: this.values } };
  }

  lokrTensors(): null {
    return null;
  }

  asLowRank(): null {
    return null;
  }
}

/** @param parameters of the model's part, by the names that it asks for them by */
export function differenceShapes(
  parameters: readonly ParameterShape[],
): ReadonlyMap<string, DifferenceShape> {
  const norms = new Set(
    parameters.flatMap(({ name, shape }) =>
      name.endsWith('.weight') && shape.length === 1 ? [name.replace(/\.weight$/, '')] : [],
    ),
  );
  return new Map(
    parameters.map(({ name, shape }) => {
      const norm = norms.has(name.replace(/\.(?:weight|bias)$/, ''));
      const bias = name.endsWith('.bias');
      const part = bias ? (norm ? 'b_norm' : 'diff_b') : norm ? 'w_norm' : 'diff';
      return [name, new DifferenceShape(part, shape)];
    }),
  );
}

/** A change of a module's bias, times its scale; of its output where it has no bias. */
export function storedBias(part: Part, tensor: StoredTensor, scaling: Scaling | null): StoredLayer {
  const read = async (fitted: DifferenceShape, scale: number) => {
    const values = await readFloats(tensor);
    return new DifferenceLayer(fitted, scale === 1 ? values : values.map((value) => value * scale));
  };
  const stored = (toOutput: boolean) =>
    storedLayer(new DifferenceShape(part, tensor.shape, toOutput), scaling, read, '.bias');
  return { ...stored(false), asOutput: stored(true) };
}

export const difference: Form = {
  format: 'difference',
  method: 'full',
  of: 'parameter',
  factored: false,
  suffixes: [[/\.(diff|diff_b|w_norm|b_norm)$/, null]],

  open: ({ parts }) =>
    ENDS.flatMap(([part, end]) => {
      const tensor = parts.get(part);
      if (!tensor) return [];
      if (part === 'diff_b') return [storedBias(part, tensor, null)];
      const shape = new DifferenceShape(part, tensor.shape);
      const read = async (fitted: DifferenceShape) => new DifferenceLayer(fitted, await readFloats(tensor));
      return [storedLayer(shape, null, read, end)];
    }),

  network: () => ({
    module: 'lycoris.kohya',
    dim: '1',
    alpha: '1',
    args: { algo: 'full', preset: 'full', train_norm: 'True' },
  }),

  peft() {
    throw new KronaError('ADAPTER_UNREPRESENTABLE', 'A PEFT folder cannot hold differences.');
  },
};
