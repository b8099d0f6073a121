/** @file Small graphs as text, pinned: what a convolution, its gradient and an attention block are made of. */
import { describe, expect, it } from 'vitest';
import { checkpoint, gradients } from '../../gpu-worker/graph/gradients.ts';
import * as op from '../../gpu-worker/graph/ops.ts';
import { runPasses } from '../../gpu-worker/graph/passes.ts';
import { printGraph } from '../../gpu-worker/graph/print.ts';
import { make, type Tensor } from '../../gpu-worker/graph/tensor.ts';

/** After the passes: what is compiled. */
function optimized(outputs: Readonly<Record<string, Tensor>>): string {
  const names = Object.keys(outputs);
  const results = runPasses(Object.values(outputs));
  return printGraph(Object.fromEntries(results.map((tensor, i) => [names[i]!, tensor])));
}

const image = (): Tensor => op.input('x', [2, 3, 8, 6]);

describe('printed graphs', () => {
  it('a convolution', () => {
    const y = op.conv2d(image(), op.input('w', [4, 3, 3, 3]), op.input('b', [4]), 2, 1);
    expect(printGraph({ y })).toMatchInlineSnapshot(`
      "%0 float32[2,3,8,6] = input "x"
      %1 float32[4,3,3,3] = input "w"
      %2 float32[4] = input "b"
      %3 float32[2,4,4,3] = conv2d {stride=2 pads=[1,1,1,1]} %0 %1 %2
      return y: %3
      "
    `);
  });

  it('its gradient', () => {
    const [x, w, b] = [image(), op.input('w', [4, 3, 3, 3]), op.input('b', [4])];
    const [dx, dw, db] = gradients(op.sum(op.conv2d(x, w, b, 2, 1)), [x, w, b]);
    expect(optimized({ dx, dw, db })).toMatchInlineSnapshot(`
      "%0 float32[2,3,8,6] = input "x"
      %1 float32[4,3,3,3] = input "w"
      %2 float32[1,1,1,1] = constant (1)
      %3 float32[2,4,4,3] = broadcast %2
      %4 float32[2,3,8,6] = conv2dInputGrad {stride=2 pads=[1,1,1,1] size=[8,6]} %3 %1
      %5 float32[4,3,3,3] = conv2dWeightGrad {stride=2 pads=[1,1,1,1] kernel=[3,3]} %0 %3
      %6 float32[1,4,1,1] = reduceSum {axes=[0,2,3]} %3
      %7 float32[4] = reshape %6
      return dx: %4, dw: %5, db: %7
      "
    `);
  });

  it('an attention block', () => {
    const x = op.input('x', [1, 4, 6]);
    const [q, k, v, out] = ['q', 'k', 'v', 'out'].map((name) => op.input(name, [6, 6])) as [
      Tensor,
      Tensor,
      Tensor,
      Tensor,
    ];
    const h = op.layerNorm(x, op.input('scale', [6]), op.input('bias', [6]), 1e-5);
    const attended = op.attention(op.linear(h, q), op.linear(h, k), op.linear(h, v), 2, 0.5);
    expect(optimized({ y: op.add(x, op.linear(attended, out)) })).toMatchInlineSnapshot(`
      "%0 float32[1,4,6] = input "x"
      %1 float32[6,6] = input "q"
      %2 float32[6,6] = input "k"
      %3 float32[6,6] = input "v"
      %4 float32[6,6] = input "out"
      %5 float32[6] = input "scale"
      %6 float32[6] = input "bias"
      %7 float32[1,4,6] = layerNorm {eps=0.00001} %0 %5 %6
      %8 float32[4,6] = reshape %7
      %9 float32[6,6] = transpose {perm=[1,0]} %1
      %10 float32[4,6] = matmul %8 %9
      %11 float32[1,4,6] = reshape %10
      %12 float32[6,6] = transpose {perm=[1,0]} %2
      %13 float32[6,6] = transpose {perm=[1,0]} %3
      %14 float32[6,6] = transpose {perm=[1,0]} %4
      %15 float32[4,6] = matmul %8 %12
      %16 float32[1,4,6] = reshape %15
      %17 float32[4,6] = matmul %8 %13
      %18 float32[1,4,6] = reshape %17
      %19 float32[1,4,6] = attention {heads=2 scale=0.5} %11 %16 %18
      %20 float32[4,6] = reshape %19
      %21 float32[4,6] = matmul %20 %14
      %22 float32[1,4,6] = reshape %21
      %23 float32[1,4,6] = add %0 %22
      return y: %23
      "
    `);
  });

  it('a linear layer forward and backward, without a transpose that is not read by a product', () => {
    const [x, w, b] = [op.input('x', [2, 3]), op.input('w', [4, 3]), op.input('b', [4])];
    const loss = op.sum(op.square(op.linear(x, w, b)));
    const [dw, db] = gradients(loss, [w, b]);
    expect(optimized({ loss, dw, db })).toMatchInlineSnapshot(`
      "%0 float32[2,3] = input "x"
      %1 float32[4,3] = input "w"
      %2 float32[4] = input "b"
      %3 float32[3,4] = transpose {perm=[1,0]} %1
      %4 float32[2,4] = matmul %0 %3
      %5 float32[2,4] = add %4 %2
      %6 float32[2,4] = mul %5 %5
      %7 float32[1,1] = reduceSum {axes=[0,1]} %6
      %8 float32[1,1] = constant (1)
      %9 float32[2,4] = broadcast %8
      %10 float32[2,4] = mul %9 %5
      %11 float32[2,4] = add %10 %10
      %12 float32[1,4] = reduceSum {axes=[0]} %11
      %13 float32[4] = reshape %12
      %14 float32[4,2] = transpose {perm=[1,0]} %11
      %15 float32[4,3] = matmul %14 %0
      return loss: %7, dw: %15, db: %13
      "
    `);
  });

  it('a checkpointed block: recomputed after its incoming gradient', () => {
    const [x, w] = [op.input('x', [2, 3]), op.input('w', [3, 3])];
    const h = checkpoint(() => op.tanh(op.matmul(op.exp(x), w)));
    const [dw] = gradients(op.sum(op.mul(h, h)), [w]);
    expect(optimized({ dw: dw })).toMatchInlineSnapshot(`
      "%0 float32[2,3] = input "x"
      %1 float32[3,3] = input "w"
      %2 float32[2,3] = exp %0
      %3 float32[2,3] = matmul %2 %1
      %4 float32[2,3] = tanh %3
      %5 float32[1,1] = constant (1)
      %6 float32[2,3] = broadcast %5
      %7 float32[2,3] = mul %6 %4
      %8 float32[] = constant (1)
      %9 float32[2,3] = add %7 %7
      %10 float32[2,3] = after %0 %9
      %11 float32[2,3] = exp %10
      %12 float32[2,3] = matmul %11 %1
      %13 float32[2,3] = tanh %12
      %14 float32[2,3] = mul %13 %13
      %15 float32[2,3] = sub %8 %14
      %16 float32[2,3] = mul %9 %15
      %17 float32[3,2] = transpose {perm=[1,0]} %11
      %18 float32[3,3] = matmul %17 %16
      return dw: %18
      "
    `);
  });

  it('weights, constants and dtypes', () => {
    const source = { path: '/models/unet.safetensors', offset: 1024, length: 12 };
    const weight = make('weight', { name: 'to_q', shape: [2, 3], dtype: 'float16', source }, []);
    const rows = op.gatherRows(weight, op.constant(new BigInt64Array([1n, 0n]), [2]));
    const bias = op.constant(new Float32Array([0.5, 1, 2, 3, 4, 5]), [2, 3]);
    const y = op.add(op.cast(rows, 'float32'), bias);
    expect(printGraph({ y, half: op.slice(op.transpose(rows, [1, 0]), 0, 1, 3) })).toMatchInlineSnapshot(`
      "%0 float16[2,3] = weight "to_q"
      %1 int64[2] = constant (1, 0)
      %2 float16[2,3] = gatherRows %0 %1
      %3 float32[2,3] = constant (0.5, 1, 2, 3, …)
      %4 float32[2,3] = cast {to="float32"} %2
      %5 float32[2,3] = add %4 %3
      %6 float16[3,2] = transpose {perm=[1,0]} %2
      %7 float16[2,2] = slice {starts=[1,0] ends=[3,2] steps=[1,1]} %6
      return y: %5, half: %7
      "
    `);
  });

  it('does not depend on what was built before', () => {
    const build = (): string => printGraph({ y: op.mul(image(), 2) });
    expect(build()).toBe(build());
  });
});
