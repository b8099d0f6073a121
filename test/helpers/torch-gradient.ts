/** @file Compares the loss and gradient of a Kronecker adapter with those that torch's autograd computed. */
import { expect } from 'vitest';
import { adapterLayout } from '../../gpu-worker/adapters/adapter.ts';
import { attentionProjections } from '../../gpu-worker/adapters/attention-projections.ts';
import { factorShapes } from '../../gpu-worker/adapters/krona.ts';
import { runOnce } from '../../gpu-worker/graph/runtime.ts';
import type { ModelFolder } from '../../gpu-worker/models/model-folder.ts';
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

/** Fails unless the loss is torch's to 1e-4, and each factor's gradient to a thousandth of its largest number. */
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
  expect(Math.abs(loss![0]! - at('loss').data[0]!)).toBeLessThan(1e-4);
  const largest = Math.max(...gradient!.map(Math.abs));
  for (const entry of layout.entries) {
    const wanted = at(`grad.${entry.name}`).data;
    const found = gradient!.subarray(entry.offset, entry.offset + entry.size);
    const size = Math.max(...wanted.map(Math.abs), 1e-3 * largest);
    const error = wanted.reduce((worst, x, i) => Math.max(worst, Math.abs(x - found[i]!)), 0);
    expect(error / size, entry.name).toBeLessThan(1e-3);
  }
}
