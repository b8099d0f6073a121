/** @file The gradient of a small graph. Run it with `npx tsx examples/gradient.ts`. */
import { compile, gradients, op, printGraph, runOnce } from 'krona/graph';

// loss = Σ tanh(x·w)², and its gradient by w.
const x = op.input('x', [1, 3]);
const w = op.input('w', [3, 2]);
const y = op.tanh(op.matmul(x, w));
const loss = op.sum(op.mul(y, y));
const [gradient] = gradients(loss, [w]);
if (gradient === undefined) throw new Error('gradients returns one tensor per input');

console.log(printGraph({ loss, gradient }));
const feeds = { x: Float32Array.of(1, 2, 3), w: Float32Array.of(0.1, -0.2, 0.3, 0.1, -0.2, 0.2) };
console.log(await runOnce(compile({ loss, gradient }), feeds));
