/** The arithmetic of memory: what lives at once, weights apart. */
import { describe, expect, it } from 'vitest';
import { graphMemory } from '../../gpu-worker/graph/peak-memory.ts';
import { checkpoint, gradients } from '../../gpu-worker/graph/gradients.ts';
import * as op from '../../gpu-worker/graph/ops.ts';
import { make, type Tensor } from '../../gpu-worker/graph/tensor.ts';

const N = 1000;
const weight = (name: string): Tensor =>
  make(
    'weight',
    {
      name,
      shape: [N, N],
      dtype: 'float16',
      source: { path: '/w', offset: 0, length: 2 * N * N },
    },
    [],
  );

it('a chain of any length holds two tensors at once, and views take nothing', () => {
  const chain = (length: number): Tensor => {
    let x = op.input('x', [N]);
    for (let i = 0; i < length; i++) x = op.reshape(op.exp(op.reshape(x, [N, 1])), [N]);
    return x;
  };
  expect(graphMemory({ y: chain(2) }, 'float32').activations).toBe(2 * 4 * N);
  expect(graphMemory({ y: chain(9) }, 'float32').activations).toBe(2 * 4 * N);
});

it('weights count once, in the type in which they are used', () => {
  const w = op.cast(weight('w'), 'float32');
  const x = op.input('x', [1, N]);
  const y = op.matmul(op.matmul(x, w), op.swap(w));
  expect(graphMemory({ y }, 'float32').weights).toBe(4 * N * N);
  expect(graphMemory({ y }, 'float16').weights).toBe(2 * N * N);
});

describe('a training step', () => {
  const activations = (layers: number, recomputed: boolean): number => {
    const block = recomputed ? checkpoint : <T>(build: () => T): T => build();
    const w = op.input('w', [1, N]);
    let x = op.input('x', [1, N]);
    for (let i = 0; i < layers; i++) x = block(() => op.tanh(op.sin(op.tanh(op.mul(x, w)))));
    const [gradient] = gradients(op.reshape(op.sum(x), []), [w]);
    return graphMemory({ gradient: gradient }, 'float32').activations / (4 * N);
  };

  it('holds four tensors a layer, recomputed one', () => {
    expect(Math.round((activations(20, false) - activations(10, false)) / 10)).toBe(4);
    expect(Math.round((activations(20, true) - activations(10, true)) / 10)).toBe(1);
  });
});
