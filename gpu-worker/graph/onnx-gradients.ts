/**
 * @file Gradients that are one primitive, in as few operators as they can be: a card pays for each. In 16 bits their sums
 * are products, or inside operators that add up in 32 bits.
 */
import type { Emitter } from './onnx-rules.ts';
import { ELEMENT } from './onnx-model.ts';
import { sideOf, sizeOf } from './shapes.ts';
import type { Tensor } from './tensor.ts';

/** dy (Φ(x) + x φ(x)). With a = x/√2, x φ(x) = a e^(-a²) / √π, where the power is a divisor, so that it can overflow. */
export function emitGeluGrad(emit: Emitter, y: Tensor<'geluGrad'>): string {
  const [x, dy] = y.inputs.map((input) => emit.name(input));
  const number = (value: number): string => emit.floats([value], [], y.dtype);
  const a = emit.node('Mul', [x ?? '', number(Math.SQRT1_2)]);
  const half = emit.node('Mul', [emit.node('Erf', [a]), number(0.5)]);
  const cdf = emit.node('Add', [half, number(0.5)]);
  const power = emit.node('Exp', [emit.node('Mul', [a, a])]);
  const density = emit.node('Mul', [emit.node('Div', [a, power]), number(1 / Math.sqrt(Math.PI))]);
  return emit.node('Mul', [dy ?? '', emit.node('Add', [cdf, density])]);
}

/** y (dy - Σ dy y). The sum is a mean of dy, weighted by y, and fits in dy's type. */
export function emitSoftmaxGrad(emit: Emitter, { inputs, shape }: Tensor<'softmaxGrad'>): string {
  const [y, dy] = [emit.name(inputs[0]), emit.name(inputs[1])];
  const axes = emit.ints([shape.length - 1]);
  const mean = emit.node('ReduceSum', [emit.node('Mul', [dy, y]), axes], { keepdims: 1 });
  return emit.node('Mul', [y, emit.node('Sub', [dy, mean])]);
}

/** With x̂ = (x - μ) r: r (g - mean(g) - x̂ mean(g x̂)). x̂ and r come from one operator; the means are products. */
export function emitLayerNormGrad(emit: Emitter, y: Tensor<'layerNormGrad'>): string {
  const [x, g] = [emit.name(y.inputs[0]), emit.name(y.inputs[1])];
  const { shape, dtype } = y;
  const width = sideOf(y, -1);
  const all = (value: number) => emit.floats(Array<number>(width).fill(value), [width], dtype);
  const [normal = '', , deviation = ''] = emit.nodes('LayerNormalization', [x, all(1), all(0)], 3, {
    axis: shape.length - 1,
    epsilon: { float: y.params.eps },
  });
  // The operator's statistics are in float32 for every type.
  const r = dtype === 'float32' ? deviation : emit.node('Cast', [deviation], { to: ELEMENT[dtype] });
  const mean = { alpha: { float: 1 / width }, transB: 1 };
  const rows = emit.ints([sizeOf(shape) / width, 1, width]);
  const row = (name: string): string => emit.node('Reshape', [name, rows]);
  const perRow = (name: string): string =>
    emit.node('Reshape', [name, emit.ints([...shape.slice(0, -1), 1])]);
  const ones = emit.floats(Array<number>(width).fill(1), [1, width], dtype);
  const ofG = perRow(emit.node('FusedMatMul', [row(g), ones], mean, MICROSOFT));
  const along = perRow(emit.node('FusedMatMul', [row(g), row(normal)], mean, MICROSOFT));
  const rest = emit.node('Sub', [emit.node('Sub', [g, ofG]), emit.node('Mul', [normal, along])]);
  return emit.node('Mul', [rest, r]);
}

const MICROSOFT = 'com.microsoft';
