/** @file The facts about a model that bot and commands need to check settings without the engine. */
import type { ModelCard } from '../../core/settings/model-card.ts';
import type { ModelFolder } from '../models/model-folder.ts';
import { vaeScale } from '../models/vae.ts';
import { targetProjections } from './targets.ts';

export function modelCard(model: ModelFolder): ModelCard {
  const scale = vaeScale(model.vae.config);
  return {
    name: model.name,
    architecture: model.architecture,
    nativeSize: model.unet.config.sample_size * scale,
    // Sides of the latents can be odd: the up blocks take their sizes from the down blocks.
    sizeMultiple: scale,
    projections: targetProjections(model, ['attention']),
    furtherProjections: {
      'feed-forward': targetProjections(model, ['feed-forward']),
      'text-encoders': targetProjections(model, ['text-encoders']),
    },
    ...(model.scheduler['rescale_betas_zero_snr'] === true && { zeroTerminalSnr: true }),
  };
}
