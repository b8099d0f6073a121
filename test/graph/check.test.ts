/** @file Mistakes are named where they are made: in building a graph, or in the pass that broke it. */
import { describe, expect, it } from 'vitest';
import { checkGraph } from '../../gpu-worker/graph/check.ts';
import { GraphError } from '../../gpu-worker/graph/errors.ts';
import * as op from '../../gpu-worker/graph/ops.ts';
import { runPasses, type Pass } from '../../gpu-worker/graph/passes.ts';
import { make, type Tensor } from '../../gpu-worker/graph/tensor.ts';

const x = op.input('x', [2, 3]);
const w = op.input('w', [4, 3]);
const image = op.input('image', [1, 4, 5, 5]);
const ids = op.input('ids', [2], 'int64');

/** A pass that puts something else in the place of every `exp`. */
const replaceExp = (name: string, replacement: (node: Tensor) => Tensor): Pass => ({
  name,
  begin: () => (node) => (node.primitive === 'exp' ? replacement(node) : node),
});

describe('a broken pass is named', () => {
  it.each<[string, (node: Tensor) => Tensor, RegExp]>([
    [
      'that changes a shape',
      (node) => op.slice(node, 0, 0, 1),
      /^after broken: slice of float32\[1,3\] stands for %\d+ = exp of float32\[2,3\]$/,
    ],
    [
      'that changes a dtype',
      (node) => op.cast(node, 'float16'),
      /^after broken: cast of float16\[2,3\] stands for %\d+ = exp of float32\[2,3\]$/,
    ],
    [
      'that lies about a shape',
      (node) => ({ ...node, inputs: [w] }),
      /^after broken: %\d+ = exp has float32\[2,3\], its inputs give float32\[4,3\]$/,
    ],
    [
      'whose tensor cannot be computed',
      (node) => ({ ...make('matmul', {}, [x, op.swap(w)]), shape: node.shape, inputs: [x, w] }),
      /^after broken: %\d+ = matmul is impossible: matmul of \[2,3\] and \[4,3\]: inner sides differ$/,
    ],
    [
      'that uses what is made later',
      (node) => ({ ...node, inputs: [op.sin(x)] }),
      /^after broken: %\d+ = exp uses %\d+, which is made later$/,
    ],
    [
      'that makes an input twice',
      (node) => op.add(node, op.input('x', [1])),
      /^after broken: %\d+ = input has the name "x" of another input$/,
    ],
  ])('%s', (_, replacement, message) => {
    const graph = [op.sum(op.exp(x))];
    expect(runPasses(graph, [replaceExp('harmless', (node) => op.abs(node))])).toHaveLength(1);
    const broken = (): unknown => runPasses(graph, [replaceExp('broken', replacement)]);
    expect(broken).toThrow(GraphError);
    expect(broken).toThrow(expect.objectContaining({ code: 'GRAPH_ILLEGAL' }));
    expect(broken).toThrow(message);
  });

  it('and an error from before any pass is not blamed on one', () => {
    const twice = op.add(x, op.input('x', [3]));
    expect(() => runPasses([twice])).toThrow(/^after building: .* "x" of another input/);
  });

  it('while a legal graph passes', () => {
    expect(() => checkGraph([op.linear(op.exp(x), w), op.cast(ids, 'float32')], 'building')).not.toThrow();
  });
});

describe('building an impossible tensor fails at once', () => {
  const weight = (path: string, length: number): Tensor =>
    make('weight', { name: 'w', shape: [2, 3], dtype: 'float16', source: { path, offset: 0, length } }, []);

  it.each<[string, () => unknown, string, RegExp]>([
    ['broadcasting', () => op.add(x, w), 'GRAPH_SHAPE', /add: shapes \[2,3\] and \[4,3\]/],
    ['mixed dtypes', () => op.mul(x, op.cast(x, 'float16')), 'GRAPH_DTYPE', /float32 and float16: cast one/],
    ['a function of ids', () => op.exp(ids), 'GRAPH_SHAPE', /exp takes floats, got int64 \[2\]/],
    ['product', () => op.matmul(x, w), 'GRAPH_SHAPE', /inner sides differ/],
    ['product of a vector', () => op.matmul(op.input('v', [3]), w), 'GRAPH_SHAPE', /matmul of \[3\]/],
    ['reshape', () => op.reshape(x, [4, 2]), 'GRAPH_SHAPE', /\[2,3\] to \[4,2\] changes the number/],
    ['transpose', () => op.transpose(x, [1, 1]), 'GRAPH_SHAPE', /transpose of \[2,3\] by \[1,1\]/],
    ['broadcast', () => op.broadcast(x, [2, 4]), 'GRAPH_SHAPE', /do not broadcast/],
    ['broadcast to less', () => op.broadcast(x, [3]), 'GRAPH_SHAPE', /broadcast \[2,3\] to \[3\]/],
    ['slice', () => op.slice(x, 1, 1, 4), 'GRAPH_SHAPE', /slice \[0,1\] to \[2,4\] of \[2,3\]/],
    ['pad', () => op.pad(x, [1], [0]), 'GRAPH_SHAPE', /pad of \[2,3\] by \[1\]/],
    ['concat', () => op.concat([x, w], 1), 'GRAPH_SHAPE', /concat on axis 1 of \[2,3\] \[4,3\]/],
    ['reduction', () => op.sum(x, [2]), 'GRAPH_SHAPE', /axes \[2\] of a tensor \[2,3\]/],
    ['image', () => op.sumPool2x(x), 'GRAPH_SHAPE', /takes \[batch, channels, height, width\], got \[2,3\]/],
    ['odd pooling', () => op.sumPool2x(image), 'GRAPH_SHAPE', /even sides, got 5×5/],
    [
      'channels',
      () => op.conv2d(image, op.input('k', [2, 3, 3, 3]), undefined),
      'GRAPH_SHAPE',
      /channels differ/,
    ],
    [
      'window beyond the image',
      () => op.conv2d(image, op.input('k', [2, 4, 7, 7]), undefined),
      'GRAPH_SHAPE',
      /conv2d would have the impossible shape \[1,2,-1,-1\]/,
    ],
    ['bias', () => op.conv2d(image, op.input('k', [2, 4, 3, 3]), w), 'GRAPH_SHAPE', /2 filters with bias/],
    [
      'groups',
      () => op.groupNorm(image, op.input('s', [4]), op.input('s', [4]), 3, 1),
      'GRAPH_SHAPE',
      /3 groups/,
    ],
    ['norm', () => op.layerNorm(x, op.input('s', [2]), op.input('s', [2]), 1), 'GRAPH_SHAPE', /scale \[2\]/],
    ['heads', () => op.attention(...sequence(5), 2, 1), 'GRAPH_SHAPE', /2 heads of \[1,2,5\]/],
    ['gather', () => op.gatherRows(x, x), 'GRAPH_SHAPE', /int64 ids/],
    ['scatter', () => op.scatterAddRows(w, ids, 5), 'GRAPH_SHAPE', /got \[4,3\], \[2\]/],
    ['constant', () => op.constant(new Float32Array(5), [2, 3]), 'GRAPH_SHAPE', /\[2,3\] has 5 values/],
    ['bytes of a weight', () => weight('/w', 24), 'GRAPH_SHAPE', /float16 takes 12 bytes, the file has 24/],
    ['place of a weight', () => weight('w', 12), 'GRAPH_SHAPE', /must be absolute, got w$/],
    ['bfloat16 input', () => op.input('b', [2], 'bfloat16'), 'GRAPH_DTYPE', /for weights only/],
  ])('%s', (_, build, code, message) => {
    expect(build).toThrow(expect.objectContaining({ code }));
    expect(build).toThrow(message);
  });

  function sequence(width: number): [Tensor, Tensor, Tensor] {
    return [op.input('q', [1, 2, width]), op.input('k', [1, 3, width]), op.input('v', [1, 3, width])];
  }
});
