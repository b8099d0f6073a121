/**
 * @file Rewrites a compiled graph so that products with weights run in 8 bits: weights with one scale for each output channel,
 * which the runtime computes once, when the session opens; activations with one scale and zero point, at each run.
 */
import { at } from '../../core/at.ts';
import type { OnnxModel, OnnxNode } from './onnx-model.ts';

/** @param kept true for the weights, by name, whose products stay unchanged */
export function withEightBitProducts(model: OnnxModel, kept: (weight: string) => boolean): OnnxModel {
  const weights = new Map(model.initializers.map(({ name }) => [name, name]));
  const eight = new EightBitNodes();
  for (const node of model.nodes) {
    const [, right = ''] = node.inputs;
    const weight = weights.get(right);
    const isProduct = ['MatMul', 'Gemm', 'Conv'].includes(node.type);
    if (isProduct && weight !== undefined && !kept(weight)) {
      eight.addProduct(node);
      continue;
    }
    eight.nodes.push(node);
    // Casts, halves and transposes of a weight are constant too; the runtime computes them when the session opens.
    const [source = ''] = node.inputs;
    if (node.inputs.every((name) => weights.has(name)))
      weights.set(at(node.outputs, 0), weights.get(source) ?? '');
  }
  return { ...model, nodes: eight.nodes, initializers: [...model.initializers, ...CONSTANTS] };
}

const floats = (name: string, value: number) => ({
  name,
  dtype: 'float32' as const,
  shape: [],
  data: new Uint8Array(Float32Array.of(value).buffer),
});
const ints = (name: string, values: readonly number[]) => ({
  name,
  dtype: 'int64' as const,
  shape: [values.length],
  data: new Uint8Array(new BigInt64Array(values.map(BigInt)).buffer),
});

/** Zero of weights as unsigned bytes, and the largest of them. */
const [ZERO, LARGEST] = [128, 127];
/** Below any weight's scale. */
const TINY = 1e-30;
const UINT8 = 2;
const FLOAT = 1;

const CONSTANTS = [
  floats('eight_zero_float', ZERO),
  floats('eight_largest', LARGEST),
  floats('eight_tiny', TINY),
  // Of a matrix [in,out] and of filters [out,in,h,w], what one output channel has.
  ints('eight_rows', [0]),
  ints('eight_filter', [1, 2, 3]),
  ints('eight_per_filter', [1, -1, 1, 1]),
];

class EightBitNodes {
  readonly nodes: OnnxNode[] = [];
  /** Tensors that exist in 8 bits already. */
  readonly #quantised = new Set<string>();
  readonly #turnedOnes = new Set<string>();
  #hasZero = false;

  /** `MatMul`, `Gemm` with an optionally transposed right side, `Conv` with or without a bias. */
  addProduct({ type, inputs, outputs, attributes = {} }: OnnxNode): void {
    const y = at(outputs, 0);
    const [x, right, bias] = [at(inputs, 0), at(inputs, 1), inputs[2]];
    if (attributes['transA']) throw new RangeError(`${y}: a transposed left side before a weight`);
    const w = attributes['transB'] ? this.#turned(right) : right;
    const filters = type === 'Conv';
    this.#quantiseActivations(x);
    const zero = this.#quantiseWeights(w, filters);
    const sides = [`${x}.u8`, `${w}.u8`, `${x}.zero`, zero];
    const whole = filters
      ? this.#node('ConvInteger', sides, `${y}.i32`, attributes)
      : this.#node('MatMulInteger', sides, `${y}.i32`);
    const wide = this.#node('Cast', [whole], `${y}.float`, { to: FLOAT });
    const scale = this.#node('Mul', [`${x}.scale`, `${w}.scale`], `${y}.bothScales`);
    if (bias === undefined) {
      this.#node('Mul', [wide, scale], y);
      return;
    }
    const scaled = this.#node('Mul', [wide, scale], `${y}.scaled`);
    const shaped = filters ? this.#node('Reshape', [bias, 'eight_per_filter'], `${y}.bias`) : bias;
    this.#node('Add', [scaled, shaped], y);
  }

  #turned(w: string): string {
    const turned = `${w}.turned`;
    if (this.#turnedOnes.has(turned)) return turned;
    this.#turnedOnes.add(turned);
    return this.#node('Transpose', [w], turned, { perm: [1, 0] });
  }

  #quantiseActivations(x: string): void {
    if (this.#quantised.has(x)) return;
    this.#quantised.add(x);
    this.nodes.push({
      type: 'DynamicQuantizeLinear',
      inputs: [x],
      outputs: [`${x}.u8`, `${x}.scale`, `${x}.zero`],
    });
  }

  /** @returns the name of the zero point */
  #quantiseWeights(w: string, filters: boolean): string {
    const zero = 'eight_zero';
    if (!this.#hasZero) this.#node('Cast', ['eight_zero_float'], zero, { to: UINT8 });
    this.#hasZero = true;
    if (this.#quantised.has(w)) return zero;
    this.#quantised.add(w);
    const sizes = this.#node('Abs', [w], `${w}.abs`);
    const most = this.#node('ReduceMax', [sizes, filters ? 'eight_filter' : 'eight_rows'], `${w}.most`, {
      keepdims: 1,
    });
    const safe = this.#node('Max', [most, 'eight_tiny'], `${w}.safe`);
    const each = this.#node('Div', [safe, 'eight_largest'], `${w}.each`);
    const whole = this.#node('Round', [this.#node('Div', [w, each], `${w}.share`)], `${w}.whole`);
    const above = this.#node('Add', [whole, 'eight_zero_float'], `${w}.above`);
    this.#node('Cast', [above], `${w}.u8`, { to: UINT8 });
    // [out,1,1,1] of filters stands before the places of a picture [1,out,1,1].
    if (filters) this.#node('Reshape', [each, 'eight_per_filter'], `${w}.scale`);
    else this.#node('Identity', [each], `${w}.scale`);
    return zero;
  }

  #node(
    type: string,
    inputs: readonly string[],
    output: string,
    attributes: OnnxNode['attributes'] = {},
  ): string {
    this.nodes.push({ type, inputs, outputs: [output], attributes });
    return output;
  }
}
