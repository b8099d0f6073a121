/** @file Trains the UNet and both text encoders together to remove noise from the latents of captioned pictures. */
import { at } from '../../core/at.ts';
import { noiseSchedule, type NoiseSchedule } from '../../gpu-worker/training/noise-schedule.ts';
import type { Feeds } from '../../gpu-worker/graph/runtime.ts';
import * as op from '../../gpu-worker/graph/ops.ts';
import { addNoise, denoisingLoss, noisyBatch } from '../../gpu-worker/training/loss.ts';
import { minSnrWeight } from '../../gpu-worker/training/loss-weights.ts';
import { clipText, endPositions } from '../../gpu-worker/models/clip-text.ts';
import type { ClipTextConfig } from '../../gpu-worker/models/model-configs.ts';
import { under } from '../../gpu-worker/models/parameters.ts';
import type { ClipTokenizer } from '../../gpu-worker/models/tokenizer.ts';
import { unet } from '../../gpu-worker/models/unet.ts';
import { vaeScale } from '../../gpu-worker/models/vae.ts';
import { KeyedRandom } from '../../core/random.ts';
import type { DiffusionSettings } from './config-schema.ts';
import type { StartingValues } from './earlier-model.ts';
import { initialise } from './initialise.ts';
import type { LatentCache } from './latent-cache.ts';
import type { PretrainConfig } from './pretrain-config.ts';
import type { Stage } from './stage.ts';

/** A text encoder. Its name is the prefix of its parameters and inputs, and its folder in the model. */
interface TextPart {
  readonly name: 'text_encoder' | 'text_encoder_2';
  readonly config: ClipTextConfig;
  readonly tokenizer: ClipTokenizer;
}

export function diffusionStage(
  config: PretrainConfig,
  cache: LatentCache,
  text: readonly [ClipTextConfig, ClipTextConfig],
  tokenizers: readonly [ClipTokenizer, ClipTokenizer],
  start: StartingValues,
): Stage {
  const { seed, diffusion: settings } = config.training;
  const schedule = noiseSchedule(config.raw.scheduler);
  const parts = [
    { name: 'text_encoder', config: text[0], tokenizer: tokenizers[0] },
    { name: 'text_encoder_2', config: text[1], tokenizer: tokenizers[1] },
  ] as const satisfies readonly TextPart[];
  return {
    name: 'diffusion',
    settings,
    loss: lossOf(config, parts, schedule),
    initial: (layout) => start(layout, initialise(layout, seed + 3, true), ''),
    async batch(step) {
      const random = new KeyedRandom(seed, 'diffusion batch', step);
      const chosen = Array.from({ length: settings.batch }, () => random.integer(cache.captions.length));
      // One timestep from each of `batch` equally likely intervals: the same mean loss with less variance.
      const timesteps = Float32Array.from(chosen, (_, row) =>
        timestepAt((row + random.uniform()) / settings.batch, settings, schedule.timesteps),
      );
      const coefficients = schedule.coefficients(timesteps);
      const clean = scaledLatents(cache, chosen);
      const { empty } = config.data.captions;
      const captions = chosen.map((picture) => {
        const variants = at(cache.captions, picture);
        return random.uniform() < empty ? '' : at(variants, random.integer(variants.length));
      });
      return {
        clean_latents: clean,
        noise: random.normals(clean.length),
        ...coefficients,
        timesteps,
        ...(settings.minSnr !== undefined && {
          weights: snrWeights(coefficients, settings.minSnr, schedule.prediction),
        }),
        ...textFeeds(parts[0], captions),
        ...textFeeds(parts[1], captions),
      };
    },
  };
}

/** The timestep below which a share of the draws lies. */
function timestepAt(share: number, { timestepShift = 1 }: DiffusionSettings, count: number): number {
  const place = (timestepShift * share) / (1 + (timestepShift - 1) * share);
  return Math.min(count - 1, Math.floor(place * count));
}

function snrWeights(
  { signal, sigma }: { readonly signal: Float32Array; readonly sigma: Float32Array },
  gamma: number,
  prediction: NoiseSchedule['prediction'],
): Float32Array {
  return signal.map((level, row) => minSnrWeight(level, at(sigma, row), gamma, prediction));
}

/** The denoising loss as a function of the parameters, over the inputs that `batch` feeds. */
function lossOf(
  config: PretrainConfig,
  [first, second]: readonly [TextPart, TextPart],
  schedule: NoiseSchedule,
): Stage['loss'] {
  const { batch } = config.training.diffusion;
  const { size, tokenizer } = config.data;
  const side = size / vaeScale(config.vae);
  const noisy = noisyBatch(batch, config.vae.latent_channels, side, side);
  const timesteps = op.input('timesteps', [batch]);
  const weights =
    config.training.diffusion.minSnr === undefined ? undefined : op.input('weights', [batch, 1, 1, 1]);
  const timeIds = op.broadcast(op.constant(Float32Array.of(size, size, 0, 0, size, size), [1, 6]), [
    batch,
    6,
  ]);
  const inputs = ({ name }: TextPart) =>
    [
      op.input(`${name}.ids`, [batch, tokenizer.maxLength], 'int64'),
      op.input(`${name}.end`, [batch, tokenizer.maxLength]),
    ] as const;
  const [firstInputs, secondInputs] = [inputs(first), inputs(second)];
  return (p) => {
    const states = clipText(first.config, under(`${first.name}.`, p), ...firstInputs);
    const pooling = clipText(second.config, under(`${second.name}.`, p), ...secondInputs);
    const prediction = unet(config.unet, under('unet.', p), {
      latents: addNoise(noisy),
      timesteps,
      encoderHiddenStates: op.concat([states.penultimate, pooling.penultimate], 2),
      ...(pooling.pooled && { textEmbeds: pooling.pooled }),
      timeIds,
    });
    return denoisingLoss(noisy, prediction, schedule.prediction, weights);
  };
}

/** Latents of the chosen pictures [chosen,C,h,w], scaled to a standard deviation of 1. */
function scaledLatents(
  { latents, captions, scalingFactor }: LatentCache,
  chosen: readonly number[],
): Float32Array {
  const each = latents.length / captions.length;
  const scaled = new Float32Array(chosen.length * each);
  chosen.forEach((picture, row) => {
    const own = latents.subarray(picture * each, (picture + 1) * each);
    scaled.set(
      own.map((value) => value * scalingFactor),
      row * each,
    );
  });
  return scaled;
}

function textFeeds({ name, config, tokenizer }: TextPart, captions: readonly string[]): Feeds {
  const tokens = captions.map((caption) => tokenizer.encode(caption));
  return {
    [`${name}.ids`]: BigInt64Array.from(
      tokens.flatMap((row) => [...row]),
      BigInt,
    ),
    [`${name}.end`]: endPositions(config, tokens),
  };
}
