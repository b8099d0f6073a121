/**
 * @file Run by memory.test.ts in a process of its own: one backward pass through a chain of layers, with or without
 * checkpointed blocks. Prints what it took, and what it computed, as JSON.
 */
import { readFileSync } from 'node:fs';
import { compile } from '../../gpu-worker/graph/compile.ts';
import { checkpoint, gradients } from '../../gpu-worker/graph/gradients.ts';
import * as op from '../../gpu-worker/graph/ops.ts';
import { Session } from '../../gpu-worker/graph/runtime.ts';
import { sizeOf, type Tensor } from '../../gpu-worker/graph/tensor.ts';

const [LAYERS, BATCH, TOKENS, WIDTH, INNER] = [12, 4, 1024, 64, 512];

/** A line of /proc/self/status in MiB. */
function memory(line: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync('/proc/self/status', 'utf8');
  return Number(new RegExp(`${line}:\\s+(\\d+) kB`).exec(status)![1]) / 1024;
}

const block = process.argv[2] === 'checkpoint' ? checkpoint : <T>(build: () => T): T => build();
const x = op.input('x', [BATCH, TOKENS, WIDTH]);
const weights: Tensor[] = [];
let h = x;
for (let layer = 0; layer < LAYERS; layer++) {
  const [a, b] = [op.input(`a${layer}`, [INNER, WIDTH]), op.input(`b${layer}`, [WIDTH, INNER])];
  weights.push(a, b);
  const from = h;
  h = block(() => op.add(from, op.linear(op.silu(op.linear(from, a)), b)));
}
const loss = op.mean(op.square(h));
const outputs = Object.fromEntries(gradients(loss, weights).map((dw, i) => [`d${i}`, dw]));
const session = await Session.create(compile({ loss, ...outputs }), { threads: 1 });
const feeds = Object.fromEntries(
  [x, ...weights].map((tensor) => [
    (tensor.params as { name: string }).name,
    Float32Array.from({ length: sizeOf(tensor.shape) }, (_, i) => Math.sin(i * 12.9898 + tensor.id) / 8),
  ]),
);

const before = memory('VmRSS');
const results = await session.run(feeds);
const growth = memory('VmHWM') - before;
const norms = Object.values(results).map((data) => Math.hypot(...Array.from(data).slice(0, 1000)));
process.stdout.write(JSON.stringify({ growth, norms }));
