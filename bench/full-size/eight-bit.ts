/**
 * @file What 8-bit weights would gain on this processor: the products and convolutions that take most of an SD 1.5
 * sampling step at 512×512, in float32 and with 8-bit weights and activations (one scale per tensor; the runtime
 * computes that of the activations at each run), alternating on the same numbers.
 *
 *   npx tsx bench/full-size/eight-bit.ts
 */
import { at } from '../../core/at.ts';
import { programOf } from '../../gpu-worker/graph/compile.ts';
import type { OnnxNode } from '../../gpu-worker/graph/onnx-model.ts';
import { sizeOf } from '../../gpu-worker/graph/tensor.ts';
import { Session } from '../../gpu-worker/graph/runtime.ts';
import { TorchGenerator } from '../../gpu-worker/sampling/torch-noise.ts';
import { median } from '../report.ts';

const REPEATS = 15;

interface Work {
  readonly what: string;
  readonly input: readonly number[];
  readonly weight: readonly number[];
}

/** Two rows of the UNet: products [2·tokens, width]·[width, out], convolutions [2, C, side, side] with 3×3. */
const WORK: readonly Work[] = [
  { what: 'projection, 64×64', input: [8192, 320], weight: [320, 320] },
  { what: 'feed-forward, 64×64', input: [8192, 320], weight: [320, 2560] },
  { what: 'feed-forward, 32×32', input: [2048, 640], weight: [640, 5120] },
  { what: 'feed-forward, 16×16', input: [512, 1280], weight: [1280, 10240] },
  { what: 'convolution, 64×64', input: [2, 320, 64, 64], weight: [320, 320, 3, 3] },
  { what: 'convolution, 32×32', input: [2, 640, 32, 32], weight: [640, 640, 3, 3] },
  { what: 'convolution, 16×16', input: [2, 1280, 16, 16], weight: [1280, 1280, 3, 3] },
];

const node = (type: string, inputs: string[], outputs: string[], attributes = {}): OnnxNode => ({
  type,
  inputs,
  outputs,
  attributes,
});

/** x · w, or x ∗ w if they are four-dimensional. */
function float32(): { product: OnnxNode[]; convolution: OnnxNode[] } {
  return {
    product: [node('MatMul', ['x', 'w'], ['y'])],
    convolution: [node('Conv', ['x', 'w'], ['y'], { pads: [1, 1, 1, 1] })],
  };
}

/** Quantises both sides to 8-bit integers, multiplies them in 32 bits, and rescales the result. */
function eightBit(): { product: OnnxNode[]; convolution: OnnxNode[] } {
  const quantised = ['x', 'w'].map((name) =>
    node('DynamicQuantizeLinear', [name], [`${name}8`, `${name}Scale`, `${name}Zero`]),
  );
  const back = [
    node('Cast', ['y32'], ['yFloat'], { to: 1 }),
    node('Mul', ['xScale', 'wScale'], ['scale']),
    node('Mul', ['yFloat', 'scale'], ['y']),
  ];
  const inputs = ['x8', 'w8', 'xZero', 'wZero'];
  return {
    product: [...quantised, node('MatMulInteger', inputs, ['y32']), ...back],
    convolution: [...quantised, node('ConvInteger', inputs, ['y32'], { pads: [1, 1, 1, 1] }), ...back],
  };
}

function workProgram({ input, weight }: Work, nodes: readonly OnnxNode[], w: Float32Array) {
  const output =
    input.length === 2
      ? [at(input, 0), at(weight, 1)]
      : [at(input, 0), at(weight, 0), at(input, 2), at(input, 3)];
  return programOf<{ readonly y: Float32Array }, { readonly x: Float32Array }>({
    nodes,
    // A constant, so that the runtime quantises or packs it when the session opens.
    initializers: [{ name: 'w', dtype: 'float32', shape: weight, data: new Uint8Array(w.buffer) }],
    inputs: [{ name: 'x', dtype: 'float32', shape: input }],
    outputs: [{ name: 'y', dtype: 'float32', shape: output }],
  });
}

console.log('| what | float32, ms | 8 bits, ms | ratio | error |');
console.log('| --- | --- | --- | --- | --- |');
for (const work of WORK) {
  const random = new TorchGenerator(1);
  const [x, w] = [random.randn(sizeOf(work.input)), random.randn(sizeOf(work.weight))];
  const kind = work.input.length === 2 ? 'product' : 'convolution';
  const sessions = await Promise.all(
    [float32(), eightBit()].map((nodes) => Session.create(workProgram(work, nodes[kind], w))),
  );
  const times: [number[], number[]] = [[], []];
  const results: Float32Array[] = [];
  for (let repeat = 0; repeat <= REPEATS; repeat++)
    for (const [index, session] of sessions.entries()) {
      const began = performance.now();
      results[index] = (await session.run({ x })).y;
      if (repeat > 0) at(times, index).push(performance.now() - began);
    }
  await Promise.all(sessions.map((session) => session.release()));
  const [exact, rounded] = results as [Float32Array, Float32Array];
  let [difference, size] = [0, 0];
  for (const [at, value] of exact.entries()) {
    difference += (value - rounded[at]!) ** 2;
    size += value ** 2;
  }
  const [full, eight] = times.map(median) as [number, number];
  const error = Math.sqrt(difference / size);
  console.log(
    `| ${work.what} | ${full.toPrecision(3)} | ${eight.toPrecision(3)} | ${(eight / full).toPrecision(3)} | ${(100 * error).toPrecision(2)}% |`,
  );
}
