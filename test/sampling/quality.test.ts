/** Fast drawing: every second step reuses the one before, products run in 8 bits, and pictures stay close to exact ones. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KeyedRandom } from '../../core/random.ts';
import { compile, onnxModel, programOf } from '../../gpu-worker/graph/compile.ts';
import { withEightBitProducts } from '../../gpu-worker/graph/eight-bit-products.ts';
import * as op from '../../gpu-worker/graph/ops.ts';
import { runOnce } from '../../gpu-worker/graph/runtime.ts';
import { TextToImage, type DrawRequest } from '../../gpu-worker/sampling/text-to-image.ts';
import { worstError } from '../helpers/fixtures.ts';
import { writeLora } from '../helpers/lora-file.ts';
import { tinyFolder } from '../helpers/sd-fixtures.ts';

let folder: string;
let engine: TextToImage;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-quality-'));
  engine = await TextToImage.open(tinyFolder('sd15'));
});
afterAll(async () => {
  await engine.release();
  await rm(folder, { recursive: true });
});

const request: DrawRequest = {
  prompt: 'a cat',
  negative: null,
  adapter: null,
  steps: 12,
  guidance: 4,
  scheduler: 'ddim',
  width: 32,
  height: 32,
  seed: 5,
  count: 2,
  noise: 'krona',
};
const drawn = (more: Partial<DrawRequest>) => engine.denoise({ ...request, ...more });

it('is near to exact, nearer than fewer steps are, and the same each time', async () => {
  const [exact, fast] = [await drawn({}), await drawn({ quality: 'fast' })];
  const error = worstError(fast, exact);
  expect(error).toBeGreaterThan(1e-4);
  expect(error).toBeLessThan(worstError(await drawn({ steps: 6 }), exact));
  expect(await drawn({ quality: 'fast' })).toEqual(fast);
  expect(await drawn({ quality: 'exact' })).toEqual(exact);
});

it('few steps are all whole', async () => {
  expect(await drawn({ steps: 4, quality: 'fast' })).toEqual(await drawn({ steps: 4 }));
});

it('works with an adapter, with guidance of 1 and with pictures that steer', async () => {
  const adapter = await engine.readAdapter(await writeLora('sd15', join(folder, 'lora.safetensors')));
  const liked = [new KeyedRandom(1, 'liked').normals(4 * 4 * 4)];
  for (const more of [
    { adapter },
    { guidance: 1 },
    { steer: { liked, disliked: [], weight: 1, until: 0.5 } },
  ]) {
    const exact = await drawn(more);
    const error = worstError(await drawn({ ...more, quality: 'fast' }), exact);
    expect(error).toBeGreaterThan(1e-4);
    expect(error).toBeLessThan(1);
  }
});

describe('products in 8 bits', () => {
  const numbers = (name: string, length: number, scale = 1) =>
    new KeyedRandom(1, name).normals(length).map((x) => x * scale);
  /** Rows of very different sizes: one scale for all would lose the small ones. */
  const weights = (rows: number, each: number) =>
    Float32Array.from({ length: rows }, (_, row) => row).reduce(
      (all, row) => {
        all.set(numbers(`row ${row}`, each, 10 ** -row), row * each);
        return all;
      },
      new Float32Array(rows * each),
    );

  it.each(['linear', 'conv'] as const)('%s: each output channel within 3% of its own size', async (kind) => {
    const x = op.input('x', kind === 'linear' ? [40, 32] : [1, 32, 6, 6]);
    const weight = op.constant(
      weights(4, kind === 'linear' ? 32 : 32 * 9),
      kind === 'linear' ? [4, 32] : [4, 32, 3, 3],
    );
    const bias = op.constant(new Float32Array(4).fill(1e-4), [4]);
    const y = kind === 'linear' ? op.linear(x, weight, bias) : op.conv2d(x, weight, bias, 1, 1);
    const feeds = { x: numbers('x', kind === 'linear' ? 40 * 32 : 32 * 36) };
    const exact = (await runOnce(compile({ y }), feeds)).y;
    const program = programOf<{ readonly y: Float32Array }, typeof feeds>(
      withEightBitProducts(onnxModel({ y }), () => false),
    );
    const rounded = (await runOnce(program, feeds)).y;
    const channel = (i: number) => (kind === 'linear' ? i % 4 : Math.floor(i / 36));
    for (let own = 0; own < 4; own++) {
      const of = (values: Float32Array) => values.filter((_, i) => channel(i) === own);
      const [wanted, found] = [of(exact), of(rounded)];
      const size = Math.sqrt(wanted.reduce((sum, v) => sum + v ** 2, 0));
      const off = Math.sqrt(wanted.reduce((sum, v, i) => sum + (v - found[i]!) ** 2, 0));
      expect(off / size, `channel ${own}`).toBeLessThan(0.03);
      expect(off).toBeGreaterThan(0);
    }
  });
});
