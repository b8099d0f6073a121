/** @file The graphs that the engine compiles for a model, by name, as `krona graph print` shows them. */
import { KronaError } from '../core/errors.ts';
import { ADAPTER_METHODS } from '../gpu-worker/adapters/methods.ts';
import { modelCard } from '../gpu-worker/adapters/model-card.ts';
import * as op from '../gpu-worker/graph/ops.ts';
import type { Tensor } from '../gpu-worker/graph/tensor.ts';
import { ARCHITECTURES } from '../gpu-worker/models/architecture.ts';
import { decoderOutputs, encoderOutputs } from '../gpu-worker/models/autoencoder.ts';
import { clipText } from '../gpu-worker/models/clip-text.ts';
import type { ModelFolder } from '../gpu-worker/models/model-folder.ts';
import { frozenParameters } from '../gpu-worker/models/parameters.ts';
import { unet, unetInputs } from '../gpu-worker/models/unet.ts';
import { vaeScale } from '../gpu-worker/models/vae.ts';
import { adapterOutputs } from '../gpu-worker/training/adapter-graph.ts';
import { noiseSchedule } from '../gpu-worker/training/noise-schedule.ts';
import { trainDefaults, trainRecipe } from '../gpu-worker/training/train-options.ts';

export type Graph = Readonly<Record<string, Tensor>>;

/** Each by the name of its program; `size` is the side of the pictures, pixels. */
const BUILDERS = {
  text: (model) => textGraph(model, 0),
  'text-2': (model) => textGraph(model, 1),
  unet: (model, size) => unetGraph(model, size),
  'vae-encoder': encoderGraph,
  'vae-decoder': decoderGraph,
  'krona-step': trainingGraph,
} satisfies Record<string, (model: ModelFolder, size: number) => Graph>;

export type GraphName = keyof typeof BUILDERS;
export const GRAPH_NAMES = Object.keys(BUILDERS) as readonly GraphName[];

/**
 * @param size side of the pictures, pixels
 * @throws KronaError GRAPH_MISSING when the model has no such part, SIZE_INVALID
 */
export function engineGraph(name: GraphName, model: ModelFolder, size: number): Graph {
  const scale = vaeScale(model.vae.config);
  if (size % scale !== 0)
    throw new KronaError('SIZE_INVALID', `The size must be a multiple of ${scale}; you gave ${size}.`);
  return BUILDERS[name](model, size);
}

function textGraph(model: ModelFolder, index: number): Graph {
  const encoder = model.textEncoders[index];
  if (encoder === undefined)
    throw new KronaError('GRAPH_MISSING', `${model.name} has one text encoder; print \`text\`.`);
  const { name, config, tensors } = encoder;
  const tokens = config.max_position_embeddings;
  const parameters = frozenParameters(name, tensors);
  const inputs = [op.input('ids', [1, tokens], 'int64'), op.input('end', [1, tokens])] as const;
  const { pooled, ...states } = clipText(config, parameters, ...inputs);
  const wanted = { states: states[ARCHITECTURES[model.architecture].textStates] };
  return pooled ? { ...wanted, pooled } : wanted;
}

/** @param rows - pictures at once; guidance takes two for each */
export function unetGraph(model: ModelFolder, size: number, rows = 1): Graph {
  const { config, tensors, name } = model.unet;
  const side = size / vaeScale(model.vae.config);
  const inputs = unetInputs(config, rows, side, side, tokensOf(model));
  return { prediction: unet(config, frozenParameters(name, tensors), inputs) };
}

function encoderGraph(model: ModelFolder, size: number): Graph {
  const pictures = op.input('pictures', [1, model.vae.config.in_channels, size, size]);
  return encoderOutputs(model, pictures);
}

function decoderGraph(model: ModelFolder, size: number): Graph {
  const side = size / vaeScale(model.vae.config);
  return decoderOutputs(model, op.input('latents', [1, model.vae.config.latent_channels, side, side]));
}

/** Loss and gradient of one micro-batch, with the factors and the batch that training starts with by default. */
function trainingGraph(model: ModelFolder, size: number): Graph {
  const card = modelCard(model);
  const { batch, checkpointing } = trainRecipe(card);
  const shapes = ADAPTER_METHODS.krona.shapes(model, trainDefaults(card));
  const shape = { batch, width: size, height: size, tokens: tokensOf(model), checkpointing };
  return { ...adapterOutputs(model, shapes, noiseSchedule(model.scheduler), shape) };
}

function tokensOf({ textEncoders }: ModelFolder): number {
  return Math.max(...textEncoders.map(({ config }) => config.max_position_embeddings));
}
