/** @file Every graph of a model that the worker compiles: text encoders, UNet, VAE, and training with each method. */
import { ADAPTER_METHODS } from '../../gpu-worker/adapters/methods.ts';
import { type AdapterShapes } from '../../gpu-worker/adapters/adapter.ts';
import { adapterInputs } from '../../gpu-worker/adapters/adapter-inputs.ts';
import { compile, type Precision, type Program } from '../../gpu-worker/graph/compile.ts';
import * as op from '../../gpu-worker/graph/ops.ts';
import { decoderProgram, encoderProgram } from '../../gpu-worker/models/autoencoder.ts';
import { clipText } from '../../gpu-worker/models/clip-text.ts';
import type { ModelFolder } from '../../gpu-worker/models/model-folder.ts';
import { frozenParameters } from '../../gpu-worker/models/parameters.ts';
import { unet, unetInputs } from '../../gpu-worker/models/unet.ts';
import { adapterGradient } from '../../gpu-worker/training/adapter-graph.ts';
import { noiseSchedule } from '../../gpu-worker/training/noise-schedule.ts';

const [SIDE, TOKENS] = [64, 77];
const LATENT = SIDE / 8;

/** Kronecker factors on the attention's projections, as in a plain run. */
export const kroneckerShapes = (model: ModelFolder): AdapterShapes =>
  ADAPTER_METHODS.krona.shapes(model, { a1: 4, a2: 2 });

/** What sampling compiles, the UNet with an adapter. */
export function samplingPrograms(model: ModelFolder, precision: Precision): Record<string, Program> {
  const programs: Record<string, Program> = {};
  for (const { name, config, tensors } of model.textEncoders) {
    const [ids, end] = [op.input('ids', [1, TOKENS], 'int64'), op.input('end', [1, TOKENS])];
    const { last, penultimate, pooled } = clipText(config, frozenParameters(name, tensors), ids, end);
    programs[name] = compile({ last, penultimate, ...(pooled && { pooled }) }, { precision });
  }
  const { config, tensors, name } = model.unet;
  const inputs = unetInputs(config, 2, LATENT, LATENT, TOKENS);
  const parameters = adapterInputs([kroneckerShapes(model)])(frozenParameters(name, tensors), '');
  programs['unet'] = compile({ prediction: unet(config, parameters, inputs) }, { precision });
  programs['encoder'] = encoderProgram(model, SIDE, SIDE, precision);
  programs['decoder'] = decoderProgram(model, SIDE, SIDE, precision);
  return programs;
}

/** What one micro-batch of training compiles, by what is trained and whether blocks are recomputed. */
export function trainingPrograms(model: ModelFolder, precision: Precision): Record<string, () => Program> {
  const options = { a1: 4, a2: 1, rank: 2 };
  const targets = ['attention', 'feed-forward', 'text-encoders'] as const;
  const shape = { batch: 1, width: SIDE, height: SIDE, tokens: TOKENS, precision };
  const gradient = (shapes: AdapterShapes, checkpointing: boolean) => (): Program =>
    adapterGradient(model, shapes, noiseSchedule(model.scheduler), { ...shape, checkpointing });
  return {
    krona: gradient(kroneckerShapes(model), false),
    'krona, recomputed': gradient(kroneckerShapes(model), true),
    'krona everywhere': gradient(ADAPTER_METHODS.krona.shapes(model, { ...options, targets }), false),
    lora: gradient(ADAPTER_METHODS.lora.shapes(model, options), false),
    full: gradient(ADAPTER_METHODS.full.shapes(model, options), false),
  };
}
