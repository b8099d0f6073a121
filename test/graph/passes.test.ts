/** @file Passes: smaller graphs of the same values. */
import { describe, expect, it } from 'vitest';
import { checkpoint, gradients } from '../../gpu-worker/graph/gradients.ts';
import * as op from '../../gpu-worker/graph/ops.ts';
import { PASSES, runPasses, type Pass } from '../../gpu-worker/graph/passes.ts';
import type { Primitive } from '../../gpu-worker/graph/primitives.ts';
import { printGraph } from '../../gpu-worker/graph/print.ts';
import { make, reachable, type Tensor } from '../../gpu-worker/graph/tensor.ts';
import '../helpers/allclose.ts';
import { randomValues } from '../helpers/check-op.ts';
import { evaluate } from '../helpers/reference-math.ts';

const x = op.input('x', [2, 3]);
const y = op.input('y', [3, 4]);
const only = (tensor: Tensor): Tensor => runPasses([tensor])[0]!;
const count = (...outputs: Tensor[]): number => reachable(outputs).length;

describe('what is dropped', () => {
  it.each<[string, Tensor, Tensor]>([
    ['x·1', make('mul', {}, [x, op.scalar(1)]), x],
    ['1·x', make('mul', {}, [op.scalar(1), x]), x],
    ['x·1 of a whole tensor of ones', op.mul(x, op.constant(new Float32Array(6).fill(1), [2, 3])), x],
    ['x+0', op.add(x, 0), x],
    ['0+x', op.add(0, x), x],
    ['a reshape and its way back', op.reshape(op.reshape(x, [6]), [2, 3]), x],
    ['a transpose and its way back', op.swap(op.swap(x)), x],
    [
      'all of it in a row',
      op.swap(op.swap(make('mul', {}, [op.add(op.reshape(op.reshape(x, [3, 2]), [2, 3]), 0), op.scalar(1)]))),
      x,
    ],
  ])('%s', (_, before, after) => expect(only(before)).toBe(after));

  it('all but one of several reshapes', () => {
    const result = only(op.reshape(op.reshape(op.reshape(x, [6]), [3, 2]), [1, 6]));
    expect(result).toMatchObject({ primitive: 'reshape', shape: [1, 6], inputs: [x] });
  });

  it('all but one of two transposes', () => {
    const z = op.input('z', [2, 3, 4]);
    const result = only(op.transpose(op.transpose(z, [1, 2, 0]), [0, 2, 1]));
    expect(result).toMatchObject({ primitive: 'transpose', params: { perm: [1, 0, 2] }, inputs: [z] });
  });

  it('the transpose of a product', () => {
    const result = only(op.swap(op.matmul(op.swap(y), op.swap(x))));
    expect(result).toMatchObject({ primitive: 'matmul', inputs: [x, y] });
  });

  it('rows of a frozen weight, which are adjacent in its file, also when it is widened', () => {
    const source = { path: '/file', offset: 100, length: 5 * 3 * 2 };
    const weight = make('weight', { name: 'w', shape: [5, 3], dtype: 'float16', source }, []);
    const rows = only(op.slice(op.cast(weight, 'float32'), 0, 2, 4));
    expect(rows.primitive).toBe('cast');
    expect(rows.inputs[0]).toMatchObject({
      primitive: 'weight',
      params: { shape: [2, 3], source: { path: '/file', offset: 100 + 2 * 6, length: 2 * 6 } },
    });
    const columns = op.slice(weight, 1, 0, 2);
    const everyOther = op.slice(weight, 0, 0, 5, 2);
    expect([only(columns), only(everyOther)]).toEqual([columns, everyOther]);
  });

  it('duplicate computations, small constants too', () => {
    const once = (): Tensor => op.sin(op.mul(op.add(x, op.constant(new Float32Array([1, 2, 3]), [3])), 2));
    expect(count(...runPasses([op.add(once(), once()), once()]))).toBe(count(op.neg(once())));
  });
});

describe('what stays', () => {
  const column = op.input('column', [2, 1]);
  it.each<[string, Tensor]>([
    [
      'ones that broadcast what they are multiplied with',
      op.mul(column, op.constant(new Float32Array(3).fill(1), [3])),
    ],
    ['zeros that broadcast what they are added to', op.add(op.constant(new Float32Array(6), [2, 3]), column)],
    ['0·x', op.mul(0, x)],
    ['x - 0', op.sub(x, 0)],
    ['x·(1, 1, 2)', op.mul(x, op.constant(new Float32Array([1, 1, 2]), [3]))],
    ['operands in another order', op.sub(op.sub(x, column), op.sub(column, x))],
    ['constants of another shape', op.add(op.add(x, op.constant(new Float32Array([1]), [1])), op.scalar(1))],
  ])('%s', (_, tensor) => expect(printGraph({ y: only(tensor) })).toBe(printGraph({ y: tensor })));

  it('a block and its recomputation, which would otherwise stay in memory', () => {
    const h = checkpoint(() => op.exp(op.sin(x)));
    const graph = runPasses(gradients(op.sum(op.square(h)), [x]));
    expect(reachable(graph).filter((node) => node.primitive === 'exp')).toHaveLength(2);
  });
});

/** Loss and gradients of a small network with everything that passes look for. */
function network(): Tensor[] {
  const image = op.input('image', [2, 4, 4, 4]);
  const w = op.input('w', [4, 4, 3, 3]);
  const q = op.input('q', [6, 4]);
  const scale = op.input('scale', [4]);
  const block = (h: Tensor): Tensor =>
    checkpoint(() => op.silu(op.conv2d(op.groupNorm(h, scale, scale, 2, 1e-5), w, undefined, 1, 1)));
  const tokens = op.transpose(op.reshape(block(block(image)), [2, 4, 16]), [0, 2, 1]);
  const projected = op.linear(tokens, q, op.mul(op.constant(new Float32Array(6).fill(1), [6]), 1));
  const attended = op.attention(projected, projected, projected, 2, 0.5);
  const loss = op.mean(op.square(op.add(op.mul(attended, 1), 0)));
  return [loss, ...gradients(loss, [image, w, q, scale])];
}

describe('a network with its gradients', () => {
  it('computes the same values with fewer tensors', () => {
    const outputs = network();
    const passed = runPasses(outputs);
    expect(count(...passed)).toBeLessThan(0.9 * count(...outputs));
    const feeds = Object.fromEntries(
      reachable(outputs)
        .filter((node) => node.primitive === 'input')
        .map(({ params, shape }, i) => [params.name, randomValues(shape, [-0.5, 0.5], i)]),
    );
    const before = evaluate(outputs, feeds);
    const after = evaluate(passed, feeds);
    outputs.forEach((output, i) =>
      expect(after.get(passed[i]!)!.data).toBeAllclose(before.get(output)!.data, {
        absolute: 1e-12,
        relative: 1e-12,
      }),
    );
  });

  it('is the same graph after a pass that rebuilds every tensor unchanged', () => {
    const rebuild: Pass = {
      name: 'rebuild',
      begin: () => (node) => make<Primitive>(node.primitive, node.params, node.inputs),
    };
    const print = (passes: readonly Pass[]): string => {
      const results = runPasses(network(), passes);
      return printGraph(Object.fromEntries(results.map((tensor, i) => [`r${i}`, tensor])));
    };
    expect(print([rebuild, ...PASSES, rebuild])).toBe(print(PASSES));
  });

  it('changes nothing in a second round', () => {
    const once = runPasses(network());
    expect(count(...runPasses(once))).toBe(count(...once));
  });
});
