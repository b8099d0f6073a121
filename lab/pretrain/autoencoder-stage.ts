/** @file Trains the autoencoder to restore crops of training pictures. */
import * as op from '../../gpu-worker/graph/ops.ts';
import { sizeOf } from '../../gpu-worker/graph/tensor.ts';
import { vaeScale } from '../../gpu-worker/models/vae.ts';
import { KeyedRandom } from '../../core/random.ts';
import { autoencoderLoss } from './autoencoder-loss.ts';
import { openBatches } from './composite-worker.ts';
import type { StartingValues } from './earlier-model.ts';
import { initialise } from './initialise.ts';
import type { PretrainConfig } from './pretrain-config.ts';
import type { SpriteSheet } from './sprites.ts';
import type { Stage } from './stage.ts';

/** The stage, and a function that stops its picture thread. */
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
    loss: (p) => autoencoderLoss(config.vae, p, { image, noise }, settings.kl),
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
