/** What is written out for a device that lacks an operator gives the operator's numbers, at any size. */
import { describe, expect, it } from 'vitest';
import { compileFunction } from '../../gpu-worker/graph/compile.ts';
import { DIALECTS, type Dialect } from '../../gpu-worker/graph/dialect.ts';
import { gradients } from '../../gpu-worker/graph/gradients.ts';
import * as op from '../../gpu-worker/graph/ops.ts';
import { Session } from '../../gpu-worker/graph/runtime.ts';
import { KeyedRandom } from '../../core/random.ts';

const WRITTEN: Dialect = {
  ...DIALECTS.cpu,
  fusedAttention: false,
  fusedLayerNorm: false,
  exactSine: false,
  order: 'device',
};

describe('attention in parts', () => {
  const sizes = [
    { batch: 1, heads: 1, width: 1, queries: 1, keys: 1 },
    { batch: 2, heads: 5, width: 3, queries: 7, keys: 1 },
    { batch: 1, heads: 3, width: 8, queries: 1, keys: 9 },
    { batch: 3, heads: 7, width: 2, queries: 13, keys: 11 },
  ];

  /** The result and its gradients. */
  async function run({ batch, heads, width, queries, keys }: (typeof sizes)[number], dialect: Dialect) {
    const shapes = {
      q: [batch, queries, heads * width],
      k: [batch, keys, heads * width],
      v: [batch, keys, heads * width],
    };
    const program = compileFunction(
      shapes,
      ({ q, k, v }) => {
        const y = op.attention(q, k, v, heads, width ** -0.5);
        const [dq, dk, dv] = gradients(op.sum(op.square(y)), [q, k, v]);
        return { y, dq, dk, dv };
      },
      { dialect },
    );
    const normals = (name: 'q' | 'k' | 'v') =>
      new KeyedRandom(0, name).normals(shapes[name].reduce((a, b) => a * b));
    const session = await Session.create(program, { device: 'cpu' });
    const results = await session.run({ q: normals('q'), k: normals('k'), v: normals('v') });
    await session.release();
    return Object.values(results).flatMap((values) => [...values]);
  }

  it.each(sizes)('$batch × $heads heads, $queries queries, $keys keys', async (size) => {
    const whole = await run(size, DIALECTS.cpu);
    for (const attentionPart of [1, 2, 7, 50]) {
      const found = await run(size, { ...WRITTEN, attentionPart });
      expect(found.length).toBe(whole.length);
      for (const [i, value] of found.entries()) expect(value).toBeCloseTo(whole[i]!, 5);
    }
  });
});

it.each(['sin', 'cos'] as const)('%s is right for timesteps and for the sides of photos', async (name) => {
  const x = Float32Array.from({ length: 50_000 }, (_, i) => (i - 25_000) * 0.3217);
  const program = compileFunction({ x: [x.length] }, (inputs) => ({ y: op[name](inputs.x) }), {
    dialect: WRITTEN,
  });
  const session = await Session.create(program, { device: 'cpu' });
  const { y } = await session.run({ x });
  await session.release();
  const worst = y.reduce((most, value, i) => Math.max(most, Math.abs(value - Math[name](x[i]!))), 0);
  expect(worst).toBeLessThan(2e-7);
});
