/**
 * @file Rewrites a graph to 16-bit floats (IEEE binary16) with islands of fp32, for mixed-precision training
 * (Micikevicius et al. 2018, arXiv 1710.03740). Inputs and results of the program keep their types.
 */
import { currentDialect } from './device.ts';
import type { Dialect } from './dialect.ts';
import { cast } from './ops.ts';
import type { Params, Primitive } from './primitives.ts';
import { is, reachable, remake, type Node, type Tensor } from './tensor.ts';

/** The type that a result is requested in. */
type Width = 'float16' | 'float32';
/** The type that a tensor's values need; `either` for weights and constants, which follow the other inputs. */
type Need = Width | 'either';

/** Largest number of binary16, and the smallest with full precision. */
const [LARGEST, SMALLEST] = [65504, 2 ** -14];

/** Products and pointwise operations: most of the time and memory, and 11 bits suffice. */
const HALF = new Set<Primitive>([
  'matmul',
  'conv2d',
  'conv2dInputGrad',
  'conv2dWeightGrad',
  'attention',
  'silu',
  'gelu',
  'quickGelu',
  'sigmoid',
  'erf',
  'upsample2x',
  'sumPool2x',
  'gatherRows',
]);

/** Statistics over many values: computed in fp32, but their results fit in 16 bits. */
const ISLAND = new Set<Primitive>([
  'groupNorm',
  'layerNorm',
  'softmax',
  'geluGrad',
  'softmaxGrad',
  'layerNormGrad',
]);
const NONE: ReadonlySet<Primitive> = new Set();

/** Values that grow, shrink or add up beyond the range of 16 bits, and the angles of timesteps. */
const FULL = new Set<Primitive>([
  'input',
  'exp',
  'log',
  'sqrt',
  'div',
  'sin',
  'cos',
  'tanh',
  'min',
  'max',
  'less',
  'reduceSum',
  'reduceMean',
  'scatterAddRows',
]);

/**
 * Values in other places: a cast commutes with them. 32-bit ones are moved in the width of each use, so that the cast
 * comes first: once for all parts of a tensor, and not between a transpose and the product that reads it so.
 */
const MOVED = new Set<Primitive>(['reshape', 'transpose', 'slice', 'broadcast']);

/**
 * The same outputs, in 16 bits wherever that is safe. Weights stored in 16 bits stay so; the blocks of activation
 * checkpointing stay separate.
 */
export function toHalfPrecision(
  outputs: readonly Tensor[],
  { wideSums }: Pick<Dialect, 'wideSums'> = currentDialect(),
): Tensor[] {
  const order = reachable(outputs);
  const converter = new Converter(wideSums ? NONE : ISLAND);
  for (const node of order) converter.add(node);
  return outputs.map((output) => converter.unchanged(output));
}

class Converter {
  readonly #needs = new Map<Tensor, Need>();
  /** Float tensors by the width they were computed in. */
  readonly #made = { float16: new Map<Tensor, Tensor>(), float32: new Map<Tensor, Tensor>() };
  /** Integers, and weights as stored in their files. */
  readonly #kept = new Map<Tensor, Tensor>();
  /** Primitives of 16-bit values that are computed between casts. */
  readonly #islands: ReadonlySet<Primitive>;

  constructor(islands: ReadonlySet<Primitive>) {
    this.#islands = islands;
  }

  add(node: Node): void {
    if (node.dtype === 'int64' || node.primitive === 'weight' || isHalfInput(node)) {
      this.#kept.set(
        node,
        this.#rebuilt(node, (x) => this.unchanged(x)),
      );
      if (node.dtype !== 'int64') this.#needs.set(node, 'either');
      return;
    }
    const need = this.#needOf(node);
    this.#needs.set(node, need);
    if (need === 'either' || this.#isMovable(node) || this.#isWidening(node)) return; // created at the use
    const width = this.#islands.has(node.primitive) ? 'float32' : need;
    this.#made[width].set(
      node,
      this.#rebuilt(node, (x) => this.#as(x, width)),
    );
  }

  /** In its original type. */
  unchanged(x: Tensor): Tensor {
    return this.#kept.get(x) ?? this.#as(x, 'float32');
  }

  /** All but the listed primitives (sums, products, movement) take the widest type of their inputs. */
  #needOf(node: Node): Need {
    if (HALF.has(node.primitive) || ISLAND.has(node.primitive)) return 'float16';
    if (FULL.has(node.primitive)) return 'float32';
    if (node.primitive === 'constant') return fitsHalf(node.params.data) ? 'either' : 'float32';
    // Order carries no value: of `after`, only the tensor passed on counts.
    const values: readonly Tensor[] = node.primitive === 'after' ? node.inputs.slice(0, 1) : node.inputs;
    // Integers converted to floats have no precision yet.
    const found = values.map((x) => this.#needs.get(x) ?? 'float32');
    if (found.includes('float32')) return 'float32';
    return found.includes('float16') ? 'float16' : 'either';
  }

  /** Casts between float types are dropped: each user gets the width it needs. */
  #isWidening(node: Tensor): node is Tensor<'cast'> {
    return is(node, 'cast') && node.inputs[0].dtype !== 'int64';
  }

  #as(x: Tensor, width: Width): Tensor {
    if (x.dtype === 'int64') return this.#kept.get(x) ?? x;
    if (this.#isWidening(x)) return this.#as(x.inputs[0], width);
    const known = this.#made[width].get(x);
    if (known) return known;
    const source = this.#kept.get(x) ?? this.#made[width === 'float16' ? 'float32' : 'float16'].get(x);
    const made = this.#isMovable(x)
      ? this.#rebuilt(x, (input) => this.#as(input, width))
      : cast(source ?? x, width);
    this.#made[width].set(x, made);
    return made;
  }

  #rebuilt(node: Tensor, input: (x: Tensor) => Tensor): Tensor {
    return remake(node, (x, i) =>
      // Inputs that only fix the order keep their type: a cast would be useless work.
      node.primitive === 'after' && i > 0 ? this.#asMade(x) : input(x),
    );
  }

  /** Whether it can be made again in any width: of weights and constants, and 32-bit values in other places. */
  #isMovable(x: Tensor): boolean {
    if (x.inputs.length === 0) return false;
    const need = this.#needs.get(x);
    return need === 'either' || (need === 'float32' && MOVED.has(x.primitive));
  }

  #asMade(x: Tensor): Tensor {
    return this.#kept.get(x) ?? this.#made.float16.get(x) ?? this.#as(x, 'float32');
  }
}

/** Fed in 16 bits: the program follows its precision wherever it can. */
const isHalfInput = (x: Tensor): boolean => x.primitive === 'input' && x.dtype === 'float16';

function fitsHalf(data: Params<'constant'>['data']): boolean {
  return data.every((x) => x === 0 || (Math.abs(Number(x)) <= LARGEST && Math.abs(Number(x)) >= SMALLEST));
}
