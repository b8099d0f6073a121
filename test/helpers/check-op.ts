/**
 * @file The one check of an operation, forward and backward: through the compiler and the runtime against plain
 * loops in double precision, and its gradient graph against finite differences of those loops.
 */
import { expect } from 'vitest';
import { compile } from '../../gpu-worker/graph/compile.ts';
import { gradients } from '../../gpu-worker/graph/gradients.ts';
import * as op from '../../gpu-worker/graph/ops.ts';
import type { DType, Shape } from '../../gpu-worker/graph/primitives.ts';
import { runOnce, type TensorData } from '../../gpu-worker/graph/runtime.ts';
import { reachable, sizeOf, type Tensor } from '../../gpu-worker/graph/tensor.ts';
import './allclose.ts';
import { evaluate, valuesOf, type Values } from './reference-math.ts';

/** Lowest and highest value. */
export type Range = readonly [number, number];

/** An input of the operation; a bare shape means float32 values of the check's range. */
export type Operand =
  | Shape
  | {
      readonly shape: Shape;
      readonly range?: Range;
      /** int64 when there are any: ids. */
      readonly ids?: readonly number[];
    };

export interface CheckOptions {
  /** Of operands that have none of their own; default [-2, 2]. */
  readonly range?: Range;
  /** Keeps all values of all operands well apart from each other and from 0: for what has kinks. */
  readonly apart?: boolean;
  /** Absolute, and relative to each value; default 1e-5. */
  readonly tolerance?: number;
  /** Relative to the largest of a gradient, absolute below 1; default 1e-4. */
  readonly gradientTolerance?: number;
  /** False where rounding makes finite differences meaningless. Default true. */
  readonly gradient?: boolean;
}

const isShape = (operand: Operand): operand is Shape => Array.isArray(operand);

/** A stream of numbers in [0, 1), the same for the same seed (mulberry32). */
function randomStream(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Uniform float32 values, the same for the same seed. */
export function randomValues(shape: Shape, [low, high]: Range = [-2, 2], seed = 1): Values {
  const next = randomStream(seed);
  return valuesOf(
    shape,
    Array.from({ length: sizeOf(shape) }, () => Math.fround(low + (high - low) * next())),
  );
}

/** Random values for operands; with `apart`, a shuffled ladder whose rungs straddle 0. */
function operandValues(operands: readonly Operand[], { range, apart }: CheckOptions): Values[] {
  const next = randomStream(7);
  const count = operands.reduce((n, operand) => n + sizeOf(isShape(operand) ? operand : operand.shape), 0);
  const rungs = Array.from({ length: count }, (_, i) => (i + 0.5 - Math.ceil(count / 2)) / 4);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1));
    [rungs[i], rungs[j]] = [rungs[j]!, rungs[i]!];
  }
  return operands.map((operand, i) => {
    const spec = isShape(operand) ? { shape: operand } : operand;
    if (spec.ids) return valuesOf(spec.shape, spec.ids);
    if (apart) return valuesOf(spec.shape, rungs.splice(0, sizeOf(spec.shape)));
    return randomValues(spec.shape, spec.range ?? range, 100 + i);
  });
}

/** What the runtime takes for values of a dtype. */
export const dataOf = (values: Values, dtype: DType): TensorData =>
  dtype === 'int64' ? BigInt64Array.from(values.data, BigInt) : Float32Array.from(values.data);

/**
 * Checks `build`'s result and its gradient by every float operand.
 *
 * The gradient is that of Σ result · c with fixed random c, so each value of the result counts differently.
 * @example await checkOp(op.add, [[2, 3], [3]])
 * @throws AssertionError naming the worst value
 */
export async function checkOp(
  build: (...operands: Tensor[]) => Tensor,
  operands: readonly Operand[],
  options: CheckOptions = {},
): Promise<void> {
  const { tolerance = 1e-5, gradientTolerance = 1e-4, gradient = true } = options;
  const values = operandValues(operands, options);
  const inputs = operands.map((operand, i) =>
    op.input(`x${i}`, values[i]!.shape, !isShape(operand) && operand.ids ? 'int64' : 'float32'),
  );
  const y = build(...inputs);
  const differentiated = [...inputs.keys()].filter((i) => gradient && inputs[i]!.dtype === 'float32');
  const loss = differentiated.length ? weightedSum(y) : y;
  const slopes = gradientsOf(
    loss,
    differentiated.map((i) => inputs[i]!),
  );
  const outputs: Record<string, Tensor> = { y: op.cast(y, 'float32') };
  for (const [n, dx] of slopes.entries()) outputs[`d${differentiated[n]}`] = dx;
  const program = compile(outputs);

  const exact = Object.fromEntries(inputs.map((_, i) => [`x${i}`, values[i]!]));
  const feeds = Object.fromEntries(
    program.inputs.map(({ name, dtype }) => [name, dataOf(exact[name]!, dtype)]),
  );
  const results = await runOnce(program, feeds);

  const expected = evaluate([y], exact).get(y)!.data;
  expect(results['y'], 'forward').toBeAllclose(expected, {
    shape: y.shape,
    absolute: tolerance,
    relative: tolerance,
  });
  for (const i of differentiated) {
    expectGradient(Float64Array.from(results[`d${i}`]!), loss, inputs[i]!, `x${i}`, exact, gradientTolerance);
  }
}

function gradientsOf(loss: Tensor, targets: readonly Tensor[]): readonly Tensor[] {
  if (targets.length === 0) return [];
  const result = gradients(loss, targets);
  expect(
    result.map((dx) => dx.shape),
    'shapes of the gradients',
  ).toEqual(targets.map((x) => x.shape));
  return result;
}

/** Σ y · c with fixed random c. */
export function weightedSum(y: Tensor): Tensor {
  const weights = Float32Array.from(randomValues(y.shape, [-1, 1], 999).data);
  return op.sum(op.mul(y, op.constant(weights, y.shape)));
}

/**
 * Compares a gradient with central differences of the reference: value by value for some of them, and along one
 * random direction for all of them together.
 *
 * @param name of the input `x` in `feeds`
 */
function expectGradient(
  actual: Float64Array,
  loss: Tensor,
  x: Tensor,
  name: string,
  feeds: Readonly<Record<string, Values>>,
  tolerance: number,
): void {
  const held = unmoved(loss, x, feeds);
  const start = feeds[name]!;
  const lossAt = (data: Float64Array): number =>
    evaluate([loss], { ...feeds, [name]: { shape: start.shape, data } }, held).get(loss)!.data[0]!;
  const step = 1e-4;
  /** Slope of the loss along a direction; the error is of order step². */
  const slope = (direction: Float64Array): number => {
    const [ahead, behind] = [1, -1].map((sign) => start.data.map((v, i) => v + sign * step * direction[i]!));
    return (lossAt(ahead!) - lossAt(behind!)) / (2 * step);
  };
  const count = start.data.length;
  const some = Math.min(count, 12);
  const chosen = Array.from({ length: some }, (_, i) => Math.floor(((i + 0.5) * count) / some));
  const slopes = chosen.map((i) => slope(new Float64Array(count).fill(1, i, i + 1)));
  const scale = Math.max(1, ...actual.map(Math.abs));
  const allowed = { absolute: tolerance * scale, relative: 0 };
  expect(
    chosen.map((i) => actual[i]!),
    `gradient by ${name} at positions ${chosen.join()} of [${start.shape.join()}]`,
  ).toBeAllclose(slopes, allowed);
  const direction = randomValues(start.shape, [-1, 1], 4242).data;
  const along = actual.reduce((sum, g, i) => sum + g * direction[i]!, 0);
  expect([along], `gradient by ${name} along a random direction`).toBeAllclose([slope(direction)], {
    absolute: allowed.absolute * Math.sqrt(count),
    relative: 0,
  });
}

/** Values that a change of `x` leaves as they are: tensors that do not use it, and what `stopGradient` holds fast. */
function unmoved(loss: Tensor, x: Tensor, feeds: Readonly<Record<string, Values>>): Map<Tensor, Values> {
  const values = evaluate([loss], feeds);
  const moving = new Set<Tensor>([x]);
  for (const node of reachable([loss]))
    if (node.primitive !== 'stopGradient' && node.inputs.some((input) => moving.has(input))) moving.add(node);
  return new Map([...values].filter(([tensor]) => !moving.has(tensor)));
}
