/**
 * @file Sources of a model's parameters. Models request them by name and shape and don't know whether they get a frozen
 * tensor in a file, a trainable slice of one vector, or only a record of the request.
 */
import { at } from '../../core/at.ts';
import { KronaError } from '../../core/errors.ts';
import * as op from '../graph/ops.ts';
import type { DType, Shape } from '../graph/primitives.ts';
import { make, sizeOf, type Tensor } from '../graph/tensor.ts';
import { readFloats, type StoredTensor } from './safetensors.ts';

export interface Parameters {
  /**
   * The parameter `name` (as in diffusers' and transformers' state dicts), float32.
   * @throws KronaError MODEL_TENSOR_MISSING, MODEL_TENSOR_SHAPE, MODEL_TENSOR_DTYPE
   */
  tensor(name: string, shape: Shape): Tensor;
  /** What an adapter adds to the output of the linear projection `path` (no `.weight`) with input x, if anything. */
  adapt?(path: string, x: Tensor): Tensor | undefined;
}

/** A parameter that a model requests. */
export interface ParameterShape {
  readonly name: string;
  readonly shape: Shape;
}

/** A frozen parameter in its file. */
export interface ModelTensor extends StoredTensor {
  /** The file stores the transpose of the matrix with this shape. */
  readonly transposed?: boolean;
}

/** The numbers of a frozen parameter, in its own order. */
export async function readParameter(tensor: ModelTensor): Promise<Float32Array> {
  const stored = await readFloats(tensor);
  if (!tensor.transposed) return stored;
  const [rows, columns] = [at(tensor.shape, 0), at(tensor.shape, 1)];
  return stored.map((_, i) => at(stored, (i % columns) * rows + Math.floor(i / columns)));
}

const DTYPES: Readonly<Record<string, DType>> = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' };

/** Why a stored tensor can't be the parameter with this shape; null if it can. */
export function tensorProblem(
  where: string,
  stored: StoredTensor | undefined,
  shape: Shape,
): KronaError | null {
  const expected = `[${shape.join(', ')}]`;
  if (stored === undefined)
    return new KronaError(
      'MODEL_TENSOR_MISSING',
      `${where} is missing; expected shape ${expected}. Download the model again.`,
    );
  if (stored.shape.join() !== shape.join())
    return new KronaError(
      'MODEL_TENSOR_SHAPE',
      `${where} has shape [${stored.shape.join(', ')}]; the config needs ${expected}. Take weights and config of the same model.`,
    );
  if (stored.dtype in DTYPES) return null;
  return new KronaError(
    'MODEL_TENSOR_DTYPE',
    `${where} is ${stored.dtype}; supported: ${Object.keys(DTYPES).join(', ')}. Save the model in one of these.`,
  );
}

/** Frozen parameters in their .safetensors files; half precision is widened at use. */
export function frozenParameters(component: string, tensors: ReadonlyMap<string, ModelTensor>): Parameters {
  const made = new Map<string, Tensor>();
  return {
    tensor(name, shape) {
      const known = made.get(name);
      if (known) return known;
      const stored = tensors.get(name);
      const problem = tensorProblem(`${component}: ${name}`, stored, shape);
      if (problem !== null) throw problem;
      if (!stored) throw new RangeError(`${name} has no place`);
      const { path, offset, length, transposed } = stored;
      const weight = make(
        'weight',
        {
          name: `${component}.${name}`,
          shape: transposed ? shape.toReversed() : shape,
          dtype: DTYPES[stored.dtype] ?? 'float32',
          source: { path, offset, length },
        },
        [],
      );
      const wide = op.cast(weight, 'float32');
      const tensor = transposed ? op.swap(wide) : wide;
      made.set(name, tensor);
      return tensor;
    },
  };
}

/** Records a model's requests: its exact architecture, parameter by parameter, in the order of its forward pass. */
export function recordedParameters(): Parameters & { readonly asked: ParameterShape[] } {
  const asked = new Map<string, { shape: ParameterShape; tensor: Tensor }>();
  return {
    get asked() {
      return [...asked.values()].map(({ shape }) => shape);
    },
    tensor(name, shape) {
      const known = asked.get(name);
      if (known) return known.tensor;
      const tensor = op.input(name, shape);
      asked.set(name, { shape: { name, shape }, tensor });
      return tensor;
    },
  };
}

/** The names and shapes of all parameters that `forward` uses. Nothing is computed. */
export function parametersOf(forward: (parameters: Parameters) => unknown): ParameterShape[] {
  const recorder = recordedParameters();
  forward(recorder);
  return recorder.asked;
}

const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b));

/** Offset of each parameter in one flat float32 vector, in the given order. */
export class FlatLayout {
  readonly length: number;
  readonly entries: readonly (ParameterShape & { readonly offset: number; readonly size: number })[];
  /**
   * Numbers that divide all parameters. The vector is cut and joined in rows of them, because CUDA sends 8 bytes to the card
   * for each place on the axis.
   */
  readonly #row: number;

  constructor(shapes: readonly ParameterShape[]) {
    let offset = 0;
    this.entries = shapes.map(({ name, shape }) => {
      const entry = { name, shape, offset, size: sizeOf(shape) };
      offset += entry.size;
      return entry;
    });
    this.length = offset;
    this.#row = this.entries.reduce((row, { size }) => divisor(row, size), 0) || 1;
  }

  /** Each parameter of the vector `flat` as a tensor of its shape, by name. */
  split(flat: Tensor): Map<string, Tensor> {
    const row = this.#row;
    const rows = op.reshape(flat, [this.length / row, row]);
    return new Map(
      this.entries.map(({ name, shape, offset, size }) => [
        name,
        op.reshape(op.slice(rows, 0, offset / row, (offset + size) / row), shape),
      ]),
    );
  }

  /** The inverse of split, e.g. for gradients in the order of the entries. */
  join(parts: readonly Tensor[]): Tensor {
    const row = this.#row;
    const rows = parts.map((part) => op.reshape(part, [sizeOf(part.shape) / row, row]));
    return op.reshape(op.concat(rows, 0), [this.length]);
  }
}

/** A flat vector cut into its parameters, by name; views, not copies. */
export function namedSlices(layout: FlatLayout, flat: Float32Array): Map<string, Float32Array> {
  return new Map(
    layout.entries.map(({ name, offset, size }) => [name, flat.subarray(offset, offset + size)]),
  );
}

/** Parameters that exist as tensors, by name. */
export function givenParameters(tensors: ReadonlyMap<string, Tensor>): Parameters {
  return {
    tensor(name, shape) {
      const tensor = tensors.get(name);
      if (!tensor)
        throw new KronaError(
          'MODEL_TENSOR_MISSING',
          `there is no parameter ${name} of shape [${shape.join(', ')}]`,
        );
      return tensor;
    },
  };
}

/** The parameters of one of several parts: `prefix` precedes every requested name. */
export const under = (prefix: string, p: Parameters): Parameters => ({
  tensor: (name, shape) => p.tensor(prefix + name, shape),
});
