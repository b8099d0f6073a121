/** @file Compares the loss and gradient of a Kronecker adapter with those that torch's autograd computed. */
import { expect } from 'vitest';
import { adapterLayout } from '../../gpu-worker/adapters/adapter.ts';
import { attentionProjections } from '../../gpu-worker/adapters/attention-projections.ts';
import { factorShapes } from '../../gpu-worker/adapters/krona.ts';
import { runOnce } from '../../gpu-worker/graph/runtime.ts';
import type { ModelFolder } from '../../gpu-worker/models/model-folder.ts';
import type { FlatLayout } from '../../gpu-worker/models/parameters.ts';
import { adapterGradient } from '../../gpu-worker/training/adapter-graph.ts';
import type { NoiseSchedule } from '../../gpu-worker/training/noise-schedule.ts';
import type { FixtureTensor } from './fixtures.ts';

interface TorchRun {
  readonly a1: number;
  readonly a2: number;
  /** Of the adapter, as torch applied it. */
  readonly strength: number;
  /** Whether the model also reads `text_embeds` and `time_ids`, as SDXL and its refiner do. */
  readonly pooled: boolean;
  /** Inputs, `factors.<name>`, `loss` and `grad.<name>`. */
  readonly at: (key: string) => FixtureTensor;
}

/** Computes loss and gradient, and compares them as `expectSameGradient`. */
export async function expectTorchGradient(
  model: ModelFolder,
  schedule: NoiseSchedule,
  { a1, a2, strength, pooled, at }: TorchRun,
  checkpointing: boolean,
): Promise<void> {
  const shapes = factorShapes(attentionProjections(model.unet.config), a1, a2);
  const layout = adapterLayout(shapes);
  const [batch, , height, width] = at('latents').shape as [number, number, number, number];
  const program = adapterGradient(model, shapes, schedule, {
    batch,
    height: height * 8,
    width: width * 8,
    tokens: at('encoder_hidden_states').shape[1]!,
    checkpointing,
    strength,
  });
  const parameters = new Float32Array(layout.length);
  for (const entry of layout.entries) parameters.set(at(`factors.${entry.name}`).data, entry.offset);
  const timesteps = at('timesteps').data;
  const { loss, gradient } = (await runOnce(program, {
    parameters,
    clean_latents: at('latents').data,
    noise: at('noise').data,
    timesteps,
    encoder_hidden_states: at('encoder_hidden_states').data,
    ...(pooled && { text_embeds: at('text_embeds').data, time_ids: at('time_ids').data }),
    ...schedule.coefficients(timesteps),
  })) as Record<string, Float32Array>;
  const torch = { loss: at('loss').data, gradient: (name: string) => at(`grad.${name}`).data };
  expectSameGradient(layout, { loss: loss!, gradient: gradient! }, torch);
}

interface TorchGradient {
  readonly loss: Float32Array;
  /** Of a part of the flat vector, by its name; undefined where torch has none, as the loss does not depend on it. */
  readonly gradient: (name: string) => Float32Array | undefined;
}

/** Fails unless the loss is torch's to 1e-4, and each part's gradient to a thousandth of its largest number. */
export function expectSameGradient(
  { entries }: FlatLayout,
  { loss, gradient }: Readonly<Record<'loss' | 'gradient', Float32Array>>,
  torch: TorchGradient,
): void {
  expect(Math.abs(loss[0]! - torch.loss[0]!)).toBeLessThan(1e-4);
  const largest = Math.max(...gradient.map(Math.abs));
  expect(largest).toBeGreaterThan(0);
  for (const { name, offset, size } of entries) {
    const wanted = torch.gradient(name) ?? new Float32Array(size);
    const found = gradient.subarray(offset, offset + size);
    const scale = Math.max(...wanted.map(Math.abs), 1e-3 * largest);
    const error = wanted.reduce((worst, x, i) => Math.max(worst, Math.abs(x - found[i]!)), 0);
    expect(error / scale, name).toBeLessThan(1e-3);
  }
}
