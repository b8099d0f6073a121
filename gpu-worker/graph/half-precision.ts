/**
 * @file Rewrites a graph to 16-bit floats (IEEE binary16) with islands of fp32, as mixed-precision training does it
 * (Micikevicius et al. 2018, arXiv 1710.03740). Inputs and results of the program stay what they were.
 */
import { cast } from './ops.ts';
import type { Params, Primitive } from './primitives.ts';
import { is, reachable, remake, type Node, type Tensor } from './tensor.ts';

/** The type that a result is wanted in. */
type Width = 'float16' | 'float32';
/** What a tensor's values need; `either` for weights and constants, which follow what they meet. */
type Need = Width | 'either';

/** Largest number of binary16, and the smallest that has all its digits. */
const [LARGEST, SMALLEST] = [65504, 2 ** -14];

/** Products and what is local to a value: where the time and the memory go, and where 11 bits are enough. */
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

/** Statistics over many values: computed in fp32, but their results are fit for 16 bits. */
const ISLAND = new Set<Primitive>(['groupNorm', 'layerNorm', 'softmax']);

/** Values that grow, shrink or are summed beyond what 16 bits hold, and the angles of timesteps. */
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
 * The same outputs, in 16 bits wherever that is safe. Weights that are 16 bits wide in their files stay so; the blocks
 * of activation checkpointing stay apart.
 */
export function toHalfPrecision(outputs: readonly Tensor[]): Tensor[] {
  const order = reachable(outputs);
  const converter = new Converter();
  for (const node of order) converter.add(node);
  return outputs.map((output) => converter.unchanged(output));
}

class Converter {
  readonly #needs = new Map<Tensor, Need>();
  /** Float tensors by the width that they were made in. */
  readonly #made = { float16: new Map<Tensor, Tensor>(), float32: new Map<Tensor, Tensor>() };
  /** Whole numbers, and weights as they lie in their files. */
  readonly #kept = new Map<Tensor, Tensor>();

  add(node: Node): void {
    if (node.dtype === 'int64' || node.primitive === 'weight') {
      this.#kept.set(
        node,
        this.#rebuilt(node, (x) => this.unchanged(x)),
      );
      if (node.dtype !== 'int64') this.#needs.set(node, 'either');
      return;
    }
    const need = this.#needOf(node);
    this.#needs.set(node, need);
    if (need === 'either' || this.#isWidening(node)) return; // made where it is used
    const width = ISLAND.has(node.primitive) ? 'float32' : need;
    this.#made[width].set(
      node,
      this.#rebuilt(node, (x) => this.#as(x, width)),
    );
  }

  /** In the type that it had. */
  unchanged(x: Tensor): Tensor {
    return this.#kept.get(x) ?? this.#as(x, 'float32');
  }

  /** All but the listed primitives (sums, products, movement) take the wider of what comes in. */
  #needOf(node: Node): Need {
    if (HALF.has(node.primitive) || ISLAND.has(node.primitive)) return 'float16';
    if (FULL.has(node.primitive)) return 'float32';
    if (node.primitive === 'constant') return fitsHalf(node.params.data) ? 'either' : 'float32';
    // Order carries no value: of `after` only what is handed on counts.
    const values: readonly Tensor[] = node.primitive === 'after' ? node.inputs.slice(0, 1) : node.inputs;
    // Whole numbers turned into floats have no precision yet.
    const found = values.map((x) => this.#needs.get(x) ?? 'float32');
    if (found.includes('float32')) return 'float32';
    return found.includes('float16') ? 'float16' : 'either';
  }

  /** Casts between float types are dropped: each user gets the width that it needs. */
  #isWidening(node: Tensor): node is Tensor<'cast'> {
    return is(node, 'cast') && node.inputs[0].dtype !== 'int64';
  }

  #as(x: Tensor, width: Width): Tensor {
    if (x.dtype === 'int64') return this.#kept.get(x) ?? x;
    if (this.#isWidening(x)) return this.#as(x.inputs[0], width);
    const known = this.#made[width].get(x);
    if (known) return known;
    const source = this.#kept.get(x) ?? this.#made[width === 'float16' ? 'float32' : 'float16'].get(x);
    const free = this.#needs.get(x) === 'either' && x.primitive !== 'weight' && x.primitive !== 'constant';
    const made = free ? this.#rebuilt(x, (input) => this.#as(input, width)) : cast(source ?? x, width);
    this.#made[width].set(x, made);
    return made;
  }

  #rebuilt(node: Tensor, input: (x: Tensor) => Tensor): Tensor {
    return remake(node, (x, i) =>
      // What comes before by order alone is taken as it was made: a cast would be work for nothing.
      node.primitive === 'after' && i > 0 ? this.#asMade(x) : input(x),
    );
  }

  #asMade(x: Tensor): Tensor {
    return this.#kept.get(x) ?? this.#made.float16.get(x) ?? this.#as(x, 'float32');
  }
}

function fitsHalf(data: Params<'constant'>['data']): boolean {
  return data.every((x) => x === 0 || (Math.abs(Number(x)) <= LARGEST && Math.abs(Number(x)) >= SMALLEST));
}
