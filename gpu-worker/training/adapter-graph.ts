/** @file The graph of one micro-batch of adapter training: the loss, and its gradient by all factors. */
import { factorLayout, withKrona, type FactorShapes } from '../adapters/krona.ts';
import { compile, type Program } from '../graph/compile.ts';
import { gradients } from '../graph/gradients.ts';
import * as op from '../graph/ops.ts';
import type { ModelFolder } from '../models/model-folder.ts';
import { frozenParameters } from '../models/parameters.ts';
import { unet, unetInputs } from '../models/unet.ts';
import { vaeScale } from '../models/vae.ts';
import { addNoise, denoisingLoss, noisyBatch } from './loss.ts';
import type { NoiseSchedule } from './noise-schedule.ts';

export interface StepShape {
  readonly batch: number;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** Tokens of the prompt. */
  readonly tokens: number;
  readonly checkpointing: boolean;
  /** What A ⊗ B is multiplied by; 1 by default. */
  readonly strength?: number;
}

/**
 * Inputs: `parameters` (all factors, flat), clean_latents, noise, signal, sigma, timesteps, encoder_hidden_states,
 * and with `text_time` text_embeds, time_ids. Outputs: `loss`, `gradient` (flat).
 */
export function adapterGradient(
  model: ModelFolder,
  shapes: FactorShapes,
  schedule: NoiseSchedule,
  shape: StepShape,
): Program {
  const { config, tensors, name } = model.unet;
  const scale = vaeScale(model.vae.config);
  const [height, width] = [shape.height / scale, shape.width / scale];
  const layout = factorLayout(shapes);
  const factors = layout.split(op.input('parameters', [layout.length]));
  const batch = noisyBatch(shape.batch, config.in_channels, height, width);
  const inputs = unetInputs(config, shape.batch, height, width, shape.tokens);
  const parameters = withKrona(
    frozenParameters(name, tensors),
    shapes,
    factors,
    op.scalar(shape.strength ?? 1),
  );
  const prediction = unet(
    config,
    parameters,
    { ...inputs, latents: addNoise(batch) },
    { checkpointing: shape.checkpointing },
  );
  const loss = denoisingLoss(batch, prediction, schedule.prediction);
  const targets = layout.entries.map((entry) => factors.get(entry.name)!);
  return compile({ loss, gradient: layout.join(gradients(loss, targets)) });
}
