/** @file Teaches the autoencoder to restore crops of training pictures. */
import * as op from '../../gpu-worker/graph/ops.ts';
import { sizeOf, type Tensor } from '../../gpu-worker/graph/tensor.ts';
import type { Parameters } from '../../gpu-worker/models/parameters.ts';
import { vaeDecoder, vaeEncoder, vaeScale } from '../../gpu-worker/models/vae.ts';
import { KeyedRandom } from '../../core/random.ts';
import { openBatches } from './composite-worker.ts';
import type { StartingValues } from './earlier-model.ts';
import { initialise } from './initialise.ts';
import type { PretrainConfig } from './pretrain-config.ts';
import type { SpriteSheet } from './sprites.ts';
import type { Stage } from './stage.ts';

/** The stage and what stops its thread of pictures. */
export function autoencoderStage(
  config: PretrainConfig,
  sheet: SpriteSheet,
  start: StartingValues,
): { stage: Stage; close: () => Promise<void> } {
  const { seed, autoencoder: settings } = config.training;
  const side = config.data.crops.side;
  const { latent_channels: channels } = config.vae;
  const latents = [settings.batch, channels, side / vaeScale(config.vae), side / vaeScale(config.vae)];
  const image = op.input('image', [settings.batch, 3, side, side]);
  const noise = op.input('noise', latents);
  let source: ReturnType<typeof openBatches> | undefined;

  const stage: Stage = {
    name: 'autoencoder',
    settings,
    loss: (p) => autoencoderLoss(config, p, image, noise),
    initial: (layout) => start(layout, initialise(layout, seed, false), 'vae.'),
    async batch(step) {
      source ??= openBatches(config.data, sheet, {
        kind: 'crops',
        seed,
        batchSize: settings.batch,
        start: step * settings.batch,
      });
      const { images } = await source.next();
      return { image: images, noise: new KeyedRandom(seed, 'posterior', step).normals(sizeOf(latents)) };
    },
  };
  return { stage, close: async () => source?.close() };
}

/**
 * Mean absolute and squared error of the picture, absolute error of its slopes (which keeps edges sharp), and a weak
 * pull of the posterior to the standard normal.
 */
function autoencoderLoss(config: PretrainConfig, p: Parameters, image: Tensor, noise: Tensor): Tensor {
  const { mean, logvar } = vaeEncoder(config.vae, p, image);
  const latents = op.add(mean, op.mul(op.exp(op.mul(0.5, logvar)), noise));
  const error = op.sub(vaeDecoder(config.vae, p, latents), image);
  const [, , height, width] = error.shape as [number, number, number, number];
  const slope = (axis: number, length: number): Tensor =>
    op.mean(op.abs(op.sub(op.slice(error, axis, 1, length), op.slice(error, axis, 0, length - 1))));
  const kl = op.mean(op.sub(op.add(op.square(mean), op.exp(logvar)), op.add(1, logvar)));
  const restored = op.add(op.mean(op.abs(error)), op.mean(op.square(error)));
  const edges = op.add(slope(2, height), slope(3, width));
  return op.reshape(op.add(op.add(restored, edges), op.mul(kl, config.training.autoencoder.kl)), []);
}
