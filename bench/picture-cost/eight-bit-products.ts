/**
 * @file Rewrites a compiled graph so that products with weights run in 8 bits, as bench/full-size/eight-bit.ts times
 * them: both sides as integers with one scale and one zero point per tensor, computed for the activations at each run.
 */
import { at } from '../../core/at.ts';
import type { OnnxModel, OnnxNode } from '../../gpu-worker/graph/onnx-model.ts';

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
      weights.set(at(node.outputs, 0), weights.get(source)!);
  }
  return { ...model, nodes: eight.nodes, initializers: [...model.initializers, PER_CHANNEL] };
}

/** The shape [K,1,1] of a bias [K]. */
const PER_CHANNEL = {
  name: 'eight_per_channel',
  dtype: 'int64',
  shape: [3],
  data: new Uint8Array(BigInt64Array.of(-1n, 1n, 1n).buffer),
} as const;

class EightBitNodes {
  readonly nodes: OnnxNode[] = [];
  /** Tensors that exist in 8 bits already. */
  readonly #quantised = new Set<string>();

  /** `MatMul`, `Gemm` with an optionally transposed right side, `Conv` with or without a bias. */
  addProduct({ type, inputs, outputs, attributes = {} }: OnnxNode): void {
    const [y] = outputs as [string];
    const [x, right, bias] = inputs as [string, string, string?];
    if (attributes['transA']) throw new Error(`${y}: unexpected transposed left side before a weight`);
    const w = attributes['transB']
      ? this.#node('Transpose', [right], `${y}.turned`, { perm: [1, 0] })
      : right;
    this.#quantise(x);
    this.#quantise(w);
    const sides = [`${x}.u8`, `${w}.u8`, `${x}.zero`, `${w}.zero`];
    const whole =
      type === 'Conv'
        ? this.#node('ConvInteger', sides, `${y}.i32`, attributes)
        : this.#node('MatMulInteger', sides, `${y}.i32`);
    const floats = this.#node('Cast', [whole], `${y}.float`, { to: 1 });
    const scale = this.#node('Mul', [`${x}.scale`, `${w}.scale`], `${y}.bothScales`);
    if (bias === undefined) {
      this.#node('Mul', [floats, scale], y);
      return;
    }
    const shaped = this.#node('Reshape', [bias, PER_CHANNEL.name], `${y}.bias`);
    this.#node('Add', [this.#node('Mul', [floats, scale], `${y}.scaled`), shaped], y);
  }

  #quantise(x: string): void {
    if (this.#quantised.has(x)) return;
    this.#quantised.add(x);
    this.nodes.push({
      type: 'DynamicQuantizeLinear',
      inputs: [x],
      outputs: [`${x}.u8`, `${x}.scale`, `${x}.zero`],
    });
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
