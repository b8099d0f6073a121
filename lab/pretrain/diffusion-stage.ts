/** @file Trains the UNet and both text encoders together to remove noise from the latents of captioned pictures. */
import { noiseSchedule } from '../../gpu-worker/training/noise-schedule.ts';
import * as op from '../../gpu-worker/graph/ops.ts';
import { addNoise, denoisingLoss, noisyBatch } from '../../gpu-worker/training/loss.ts';
import { clipText, endPositions } from '../../gpu-worker/models/clip-text.ts';
import type { ClipTextConfig } from '../../gpu-worker/models/model-configs.ts';
import { under, type Parameters } from '../../gpu-worker/models/parameters.ts';
import type { ClipTokenizer } from '../../gpu-worker/models/tokenizer.ts';
import { unet } from '../../gpu-worker/models/unet.ts';
import { vaeScale } from '../../gpu-worker/models/vae.ts';
import type { Tensor } from '../../gpu-worker/graph/tensor.ts';
import { KeyedRandom } from '../../core/random.ts';
import type { StartingValues } from './earlier-model.ts';
import { initialise } from './initialise.ts';
import type { LatentCache } from './latent-cache.ts';
import type { PretrainConfig } from './pretrain-config.ts';
import type { Stage } from './stage.ts';

/** Names of the parts: prefixes of parameter names, and folders of the model. */
const TEXT_PARTS = ['text_encoder', 'text_encoder_2'] as const;

export function diffusionStage(
  config: PretrainConfig,
  cache: LatentCache,
  text: readonly [ClipTextConfig, ClipTextConfig],
  tokenizers: readonly [ClipTokenizer, ClipTokenizer],
  start: StartingValues,
): Stage {
  const { seed, diffusion: settings } = config.training;
  const { batch } = settings;
  const channels = config.vae.latent_channels;
  const side = config.data.size / vaeScale(config.vae);
  const each = channels * side * side;
  const length = config.data.tokenizer.maxLength;
  const schedule = noiseSchedule(config.raw.scheduler);

  const noisy = noisyBatch(batch, channels, side, side);
  const timesteps = op.input('timesteps', [batch]);
  const ids = TEXT_PARTS.map((part) => op.input(`${part}.ids`, [batch, length], 'int64'));
  const ends = TEXT_PARTS.map((part) => op.input(`${part}.end`, [batch, length]));
  const sizes = [config.data.size, config.data.size, 0, 0, config.data.size, config.data.size];
  const timeIds = op.broadcast(op.constant(new Float32Array(sizes), [1, 6]), [batch, 6]);

  return {
    name: 'diffusion',
    settings,
    loss(p: Parameters): Tensor {
      const states = TEXT_PARTS.map((part, i) => clipText(text[i]!, under(`${part}.`, p), ids[i]!, ends[i]!));
      const prediction = unet(config.unet, under('unet.', p), {
        latents: addNoise(noisy),
        timesteps,
        encoderHiddenStates: op.concat(
          states.map(({ penultimate }) => penultimate),
          2,
        ),
        textEmbeds: states[1]!.pooled!,
        timeIds,
      });
      return denoisingLoss(noisy, prediction, schedule.prediction);
    },
    initial: (layout) => start(layout, initialise(layout, seed + 3, true), ''),
    async batch(step) {
      const random = new KeyedRandom(seed, 'diffusion batch', step);
      const chosen = Array.from({ length: batch }, () => random.integer(cache.captions.length));
      const clean = new Float32Array(batch * each);
      chosen.forEach((picture, row) => {
        for (let i = 0; i < each; i++)
          clean[row * each + i] = cache.latents[picture * each + i]! * cache.scalingFactor;
      });
      // One timestep from each of `batch` equal intervals: the same mean loss with less variance.
      const at = chosen.map((_, row) => Math.floor(((row + random.uniform()) / batch) * schedule.timesteps));
      const tokens = tokenizers.map((tokenizer) =>
        chosen.map((picture) => tokenizer.encode(cache.captions[picture]!)),
      );
      return {
        clean_latents: clean,
        noise: random.normals(batch * each),
        ...schedule.coefficients(at),
        timesteps: Float32Array.from(at),
        ...Object.fromEntries(
          TEXT_PARTS.map((part, i) => [
            `${part}.ids`,
            BigInt64Array.from(
              tokens[i]!.flatMap((row) => [...row]),
              BigInt,
            ),
          ]),
        ),
        ...Object.fromEntries(
          TEXT_PARTS.map((part, i) => [`${part}.end`, endPositions(text[i]!, tokens[i]!)]),
        ),
      };
    },
  };
}
