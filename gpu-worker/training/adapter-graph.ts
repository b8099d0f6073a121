/** @file The graph of one micro-batch of adapter training: the loss, and its gradient by all trained parameters. */
import {
  adapterLayout,
  adapterNorm,
  layersOf,
  withAdapter,
  type AdapterShapes,
} from '../adapters/adapter.ts';
import { wideFactors } from '../adapters/wide-factors.ts';
import { compile, type Precision } from '../graph/compile.ts';
import { currentDialect, devicePrecision } from '../graph/device.ts';
import { gradients } from '../graph/gradients.ts';
import * as op from '../graph/ops.ts';
import { sidesOf } from '../graph/shapes.ts';
import type { Tensor } from '../graph/tensor.ts';
import { ARCHITECTURES } from '../models/architecture.ts';
import { clipText } from '../models/clip-text.ts';
import type { ModelFolder } from '../models/model-folder.ts';
import { frozenParameters, type Parameters } from '../models/parameters.ts';
import { unet, unetInputs, type UNetInputs } from '../models/unet.ts';
import { vaeScale } from '../models/vae.ts';
import { addNoise, denoisingLoss, noisyBatch, rowErrors, rowsOf, type NoisyBatch } from './loss.ts';
import type { NoiseSchedule } from './noise-schedule.ts';
import { preferenceLoss } from './preference-loss.ts';
import type { RefineOptions } from './refine-options.ts';

export interface StepShape {
  /** Rows: those of pairs, if any, then photos and class pictures. */
  readonly batch: number;
  /** P pairs of a refinement are the first 2P rows: winners, then losers. None by default. */
  readonly pairs?: PairShape;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** Tokens of the prompt: those of all its chunks. */
  readonly tokens: number;
  /** Tokens of a chunk, where text encoders are trained; by default there is one chunk. */
  readonly chunkTokens?: number;
  readonly checkpointing: boolean;
  /** Factor on ΔW; 1 by default. */
  readonly strength?: number;
  /** Precision of the step; the process's device decides by default. */
  readonly precision?: Precision;
  /** Squared errors have weights: input `weights` [B − 2P,1,h,w]. */
  readonly weighted?: boolean;
  /** The adapter has a strength per row: input `strengths` [B]. Not in text encoders. */
  readonly rowStrengths?: boolean;
  /**
   * λ of the loss's further term λ·‖ΔW‖², summed over the modules ("Preserve and Personalize", arXiv 2505.19519): keeps
   * the model close to itself without class pictures. 0, the default: none.
   */
  readonly priorL2?: number;
  /** Where text encoders are trained: each row has its own prompt, `ids.N` and `end.N` are [B·chunks,S]. */
  readonly promptPerRow?: boolean;
}

export interface PairShape extends Pick<RefineOptions, 'preference' | 'beta' | 'photoWeight'> {
  /** P */
  readonly count: number;
}

/**
 * Inputs: `parameters` (all trained numbers, flat), clean_latents, noise, signal, sigma, timesteps,
 * encoder_hidden_states, and with `text_time` text_embeds, time_ids; where text encoders are trained, instead of the two of text,
 * `ids.N` int64 [chunks,S] and `end.N` [chunks,S] of encoder N (see trainedText); further ones by StepShape; in 16 bits
 * `loss_scale` (loss-scale.ts). Outputs: `loss` without the prior's term, `gradient` (flat) with it, and with a prior
 * `prior`, its term. With pairs also the inputs `reference` [P], e_w − e_l of the adapter that the refinement started from,
 * and `pair_weights` [P], and the outputs `photo_loss`, `margins` [P] and `errors` [2P]; run with that adapter's numbers,
 * the program gives what `reference` is made of.
 */
export function adapterGradient(
  model: ModelFolder,
  shapes: AdapterShapes,
  schedule: NoiseSchedule,
  shape: StepShape,
) {
  const { precision = devicePrecision('training') } = shape;
  return compile(adapterOutputs(model, shapes, schedule, { ...shape, precision }), { precision });
}

/** The graph of that program. */
export function adapterOutputs(
  model: ModelFolder,
  shapes: AdapterShapes,
  schedule: NoiseSchedule,
  shape: StepShape,
) {
  const { config, tensors, name } = model.unet;
  const scale = vaeScale(model.vae.config);
  const [height, width] = [shape.height / scale, shape.width / scale];
  const layout = adapterLayout(shapes);
  const trained = layout.split(op.input('parameters', [layout.length]));
  const wide = currentDialect().fewLaunches ? wideFactors(shapes, trained) : new Map<string, Tensor>();
  const batch = noisyBatch(shape.batch, config.in_channels, height, width);
  // As diffusers trains models with a guidance input: without it.
  const { guidance: _guidance, ...inputs } = unetInputs(config, shape.batch, height, width, shape.tokens);
  const strength = op.scalar(shape.strength ?? 1);
  const adapted = (p: Parameters, prefix: string): Parameters =>
    withAdapter(p, shapes, trained, strength, prefix, undefined, wide);
  const text = trainsText(shapes) ? trainedText(model, adapted, shape) : {};
  const strengths = shape.rowStrengths ? op.input('strengths', [shape.batch]) : undefined;
  const prediction = unet(
    config,
    withAdapter(frozenParameters(name, tensors), shapes, trained, strength, '', strengths, wide),
    { ...inputs, ...text, latents: addNoise(batch) },
    { checkpointing: shape.checkpointing },
  );
  const { loss, ...ofPairs } = stepLoss(batch, prediction, schedule, shape);
  const lossScale = shape.precision === 'float16' ? op.input('loss_scale', []) : undefined;
  const prior = shape.priorL2 ? op.mul(adapterNorm(shapes, trained), shape.priorL2) : undefined;
  const whole = prior ? op.add(loss, prior) : loss;
  // Wide factors are targets too, because the next block is not recomputed before the gradients of all targets.
  const all = gradients(whole, [...trained.values(), ...wide.values()], lossScale);
  const gradient = layout.join(all.slice(0, trained.size));
  return {
    loss,
    gradient: lossScale ? op.div(gradient, lossScale) : gradient,
    ...(prior && { prior }),
    ...ofPairs,
  };
}

/** The loss of the photos, and of the pairs where there are some. */
function stepLoss(
  batch: NoisyBatch,
  prediction: Tensor,
  { prediction: type }: NoiseSchedule,
  { batch: rows, pairs, weighted }: StepShape,
) {
  const [, , height, width] = sidesOf(prediction, 4);
  const first = 2 * (pairs?.count ?? 0);
  const weights = weighted ? op.input('weights', [rows - first, 1, height, width]) : undefined;
  if (!pairs) return { loss: denoisingLoss(batch, prediction, type, weights) };
  const part = (from: number, to: number) =>
    [rowsOf(batch, from, to), op.slice(prediction, 0, from, to), type] as const;
  const errors = rowErrors(...part(0, first));
  const preference = preferenceLoss(
    pairs,
    errors,
    op.input('reference', [pairs.count]),
    op.input('pair_weights', [pairs.count]),
  );
  const photoLoss = denoisingLoss(...part(first, rows), weights);
  return {
    loss: op.add(preference.loss, op.mul(photoLoss, pairs.photoWeight)),
    photo_loss: photoLoss,
    margins: preference.margins,
    errors,
  };
}

/** Whether an adapter changes text encoders, so that every step encodes the text again. */
export function trainsText(shapes: AdapterShapes): boolean {
  return layersOf(shapes, '').size < shapes.size;
}

/** The UNet's text inputs from trained encoders: one prompt for all rows of the batch, or one per row. */
function trainedText(
  model: ModelFolder,
  adapted: (p: Parameters, prefix: string) => Parameters,
  { batch, tokens, chunkTokens = tokens, promptPerRow }: StepShape,
): Partial<UNetInputs> {
  const prompts = promptPerRow ? batch : 1;
  const chunks = tokens / chunkTokens;
  const outputs = model.textEncoders.map((encoder, n) =>
    clipText(
      encoder.config,
      adapted(frozenParameters(encoder.name, encoder.tensors), `${encoder.name}.`),
      op.input(`ids.${n}`, [prompts * chunks, chunkTokens], 'int64'),
      op.input(`end.${n}`, [prompts * chunks, chunkTokens]),
    ),
  );
  const rows = (x: Tensor): Tensor => op.broadcast(x, [batch, ...x.shape.slice(1)]);
  const { textStates } = ARCHITECTURES[model.architecture];
  const states = op.concat(
    outputs.map((each) => each[textStates]),
    2,
  );
  const encoderHiddenStates = rows(chunks === 1 ? states : joinChunks(states, chunks));
  if (model.unet.config.addition_embed_type === null) return { encoderHiddenStates };
  const pooled = outputs.at(-1)?.pooled;
  if (!pooled) return { encoderHiddenStates };
  return { encoderHiddenStates, textEmbeds: rows(chunks === 1 ? pooled : ofFirstChunk(pooled, chunks)) };
}

/** [P·chunks,S,D] → [P,chunks·S,D] */
function joinChunks(states: Tensor, chunks: number): Tensor {
  const [rows, tokens, width] = sidesOf(states, 3);
  return op.reshape(states, [rows / chunks, chunks * tokens, width]);
}

/** [P·chunks,W] → [P,W] */
function ofFirstChunk(pooled: Tensor, chunks: number): Tensor {
  const [rows, width] = sidesOf(pooled, 2);
  const prompts = rows / chunks;
  const first = op.slice(op.reshape(pooled, [prompts, chunks, width]), 1, 0, 1);
  return op.reshape(first, [prompts, width]);
}
