/** The prior without pictures adds λ·‖ΔW‖² to the loss, and its exact gradient, whatever the method. */
import { expect, it } from 'vitest';
import { adapterLayers, adapterLayout } from '../../gpu-worker/adapters/adapter.ts';
import { ADAPTER_METHODS } from '../../gpu-worker/adapters/methods.ts';
import { runOnce } from '../../gpu-worker/graph/runtime.ts';
import { openModelFolder } from '../../gpu-worker/models/model-folder.ts';
import { adapterGradient } from '../../gpu-worker/training/adapter-graph.ts';
import { noiseSchedule } from '../../gpu-worker/training/noise-schedule.ts';
import { KeyedRandom } from '../../core/random.ts';
import { METHODS } from '../../core/settings/choices.ts';
import { randomInputs } from '../../cli/device-check/random-inputs.ts';
import { TINY_MODEL } from '../helpers/fixtures.ts';
import { someOf } from '../helpers/variations.ts';

const LAMBDA = 0.5;
const OPTIONS = { a1: 4, a2: 2, rank: 3, alpha: 6 };

it.each(METHODS)('%s', async (method) => {
  const model = await openModelFolder(TINY_MODEL);
  const shapes = ADAPTER_METHODS[method].shapes(model, OPTIONS);
  const layout = adapterLayout(shapes);
  const schedule = noiseSchedule(model.scheduler);
  const shape = { batch: 1, width: 32, height: 32, tokens: 4, checkpointing: false };
  const parameters = new KeyedRandom(7, 'numbers').normals(layout.length).map((x) => 0.1 * x);
  const feeds = { ...randomInputs(adapterGradient(model, shapes, schedule, shape), 3), parameters };
  const run = (priorL2: number) =>
    runOnce(adapterGradient(model, shapes, schedule, { ...shape, priorL2 }), feeds) as Promise<
      Record<'loss' | 'gradient', Float32Array> & { prior?: Float32Array }
    >;
  const [without, withPrior] = [await run(0), await run(LAMBDA)];

  const layers = adapterLayers(shapes, parameters);
  const norm = (from: typeof layers): number =>
    [...from.values()].reduce((sum, layer) => sum + layer.delta().reduce((s, x) => s + x * x, 0), 0);
  const whole = norm(layers);
  expect(without.prior).toBeUndefined();
  expect(withPrior.prior![0]! / (LAMBDA * whole)).toBeCloseTo(1, 5);
  expect(withPrior.loss[0]).toBe(without.loss[0]);

  // Its gradient, by central differences of ΔW formed in plain numbers, at some numbers of every part.
  const random = new KeyedRandom(8, 'which');
  let largest = 0;
  for (const { offset, size, name } of someOf(layout.entries.slice(0, 24), 8)) {
    const at = offset + random.integer(size);
    const moved = (by: number): number => {
      const other = parameters.slice();
      other[at]! += by;
      return norm(adapterLayers(shapes, other));
    };
    const wanted = (LAMBDA * (moved(0.25) - moved(-0.25))) / 0.5;
    const found = withPrior.gradient[at]! - without.gradient[at]!;
    largest = Math.max(largest, Math.abs(wanted));
    expect(Math.abs(found - wanted), name).toBeLessThan(2e-3 * Math.abs(wanted) + 2e-5);
  }
  expect(largest).toBeGreaterThan(1e-3);
});

it('keeps full precision in 16 bits, where squares of small numbers vanish', async () => {
  const model = await openModelFolder(TINY_MODEL);
  const schedule = noiseSchedule(model.scheduler);
  // Opening such a program takes the CPU long, and the squares are added up alike in all methods.
  for (const method of someOf(METHODS)) {
    const shapes = ADAPTER_METHODS[method].shapes(model, OPTIONS);
    const layout = adapterLayout(shapes);
    const shape = { batch: 1, width: 32, height: 32, tokens: 4, checkpointing: false, priorL2: 1 };
    const half = { ...shape, precision: 'float16' } as const;
    const parameters = new Float32Array(layout.length).fill(2e-5);
    const program = adapterGradient(model, shapes, schedule, half);
    const { prior } = await runOnce(program, { ...randomInputs(program, 3), parameters });
    const wanted = [...adapterLayers(shapes, parameters).values()].reduce(
      (sum, layer) => sum + layer.delta().reduce((s, x) => s + x * x, 0),
      0,
    );
    expect(prior![0]! / wanted, method).toBeCloseTo(1, 3);
  }
});
