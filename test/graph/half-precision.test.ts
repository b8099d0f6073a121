/** Programs in 16 bits give what those in 32 give, within 2 %: every part of every architecture, and training's gradients. */
import { beforeAll, describe, expect, it } from 'vitest';
import { compile, type Precision, type Program } from '../../gpu-worker/graph/compile.ts';
import { gradients } from '../../gpu-worker/graph/gradients.ts';
import * as op from '../../gpu-worker/graph/ops.ts';
import { runOnce } from '../../gpu-worker/graph/runtime.ts';
import { openDecoder, vaePrecision } from '../../gpu-worker/models/autoencoder.ts';
import type { ModelFolder } from '../../gpu-worker/models/model-folder.ts';
import { worstError } from '../helpers/fixtures.ts';
import { samplingPrograms, trainingPrograms } from '../helpers/model-graphs.ts';
import { randomFeeds } from '../helpers/random-feeds.ts';
import { operatorsOf } from '../helpers/read-onnx.ts';
import { openTiny } from '../helpers/sd-fixtures.ts';

type Floats = Record<string, Float32Array>;
const run = async (program: Program): Promise<Floats> =>
  (await runOnce(program, randomFeeds(program))) as Floats;

/** ‖a − b‖ / ‖b‖. */
function distance(a: Float32Array, b: Float32Array): number {
  const norm = (x: Float32Array): number => Math.sqrt(x.reduce((sum, value) => sum + value * value, 0));
  return norm(a.map((value, i) => value - b[i]!)) / norm(b);
}

describe.each(['sd15', 'sd21', 'sdxl', 'refiner'] as const)('%s', (name) => {
  let model: ModelFolder;
  beforeAll(async () => {
    model = await openTiny(name, 'folder');
  });

  it('text encoders, UNet and VAE', async () => {
    const [half, full] = [samplingPrograms(model, 'float16'), samplingPrograms(model, 'float32')];
    for (const [part, program] of Object.entries(half)) {
      const [found, wanted] = [await run(program), await run(full[part]!)];
      for (const [output, values] of Object.entries(found)) {
        const error = worstError(values, wanted[output]!);
        expect(error, `${part}: ${output}`).toBeLessThan(2e-2);
        expect(error, `${part}: ${output}`).toBeGreaterThan(0);
      }
    }
  });
});

// Opening such a program takes the CPU long, as casts are put around every operator.
it.each([
  ['sdxl', 'krona'],
  ['sd21', 'krona, recomputed'],
] as const)(
  "%s: training's loss and gradient by %s",
  async (name, what) => {
    const model = await openTiny(name, 'folder');
    const results = { float16: {} as Floats, float32: {} as Floats };
    for (const precision of ['float16', 'float32'] as const)
      results[precision] = await run(trainingPrograms(model, precision)[what]!());
    const { float16: found, float32: wanted } = results;
    expect(Math.abs(found['loss']![0]! / wanted['loss']![0]! - 1)).toBeLessThan(2e-2);
    expect(distance(found['gradient']!, wanted['gradient']!)).toBeLessThan(2e-2);
  },
  400_000,
);

it('gradients that 16 bits would lose come through with the loss scaled', async () => {
  const weight = op.input('weight', [1, 4]);
  const tiny = op.mul(op.sum(op.mul(op.matmul(op.input('x', [1, 1]), weight), op.input('y', [1, 4]))), 1e-9);
  const gradient = async (scale: number) => {
    const [dWeight] = gradients(op.reshape(tiny, []), [weight], scale);
    const program = compile({ gradient: dWeight! }, { precision: 'float16' });
    const feeds = { weight: new Float32Array(4), x: Float32Array.of(3), y: Float32Array.of(1, 2, 3, 4) };
    return (await runOnce(program, feeds))['gradient'] as Float32Array;
  };
  expect([...(await gradient(1))]).toEqual([0, 0, 0, 0]);
  expect(
    worstError(
      (await gradient(2 ** 24)).map((x) => x * 1e9),
      [3, 6, 9, 12],
    ),
  ).toBeLessThan(1e-3);
});

it('weights of 16 bits stay so, those of norms apart', async () => {
  const model = await openTiny('sd15', 'folder');
  const { bytes } = samplingPrograms(model, 'float16')['unet']!;
  const widened = operatorsOf(bytes).filter(
    ({ source, type }) => source?.startsWith('unet.') && type === 'float16→float32',
  );
  expect(widened.length).toBeGreaterThan(0);
  for (const { source } of widened)
    expect(source).toMatch(/norm\d?\.(weight|bias)$|norm_out\.(weight|bias)$/);
});

it('a VAE whose values outgrow 16 bits decodes in 32 where its config says so', async () => {
  const model = await openTiny('sdxl', 'folder');
  expect(model.vae.config.force_upcast).toBe(true);
  expect(vaePrecision(model, 'float16')).toBe('float32');
  expect(vaePrecision(model, 'float32')).toBe('float32');
  const fixed = { ...model, vae: { ...model.vae, config: { ...model.vae.config, force_upcast: false } } };
  expect(vaePrecision(fixed, 'float16')).toBe('float16');
  expect(vaePrecision(await openTiny('sd15', 'folder'), 'float16')).toBe('float16');

  // Latents so large that the first convolutions leave the range of 16 bits; norms bring both back to pictures.
  const latents = Float32Array.from({ length: 4 * 4 * 4 }, (_, i) => (i % 7) * 3e4);
  const decoded = async (precision: Precision) => {
    const decoder = await openDecoder(model, 32, 32, precision);
    const picture = await decoder.decode(latents);
    await decoder.release();
    return picture.every(Number.isFinite);
  };
  expect(await decoded('float16')).toBe(false);
  expect(await decoded(vaePrecision(model, 'float16'))).toBe(true);
});
