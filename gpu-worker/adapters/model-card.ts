/** @file The facts about a model that bot and commands need to check settings without the engine. */
import type { ModelCard } from '../../core/settings/model-card.ts';
import type { ModelFolder } from '../models/model-folder.ts';
import { fewStepsOf } from '../models/few-steps.ts';
import { isInpainting } from '../models/inpainting.ts';
import { vaeScale } from '../models/vae.ts';
import { targetProjections } from './targets.ts';

/** What diffusers' pipeline of distilled LCM models draws with by default, rounded as their cards do. */
const LCM = { steps: 4, guidance: 8 };

/** Steps and guidance of a model distilled for few steps: by its guidance input, its name or its scheduler. */
function fewStepsOfModel({ name, unet, scheduler }: ModelFolder): ModelCard['fewSteps'] | null {
  if (unet.config.time_cond_proj_dim !== undefined) return LCM;
  const named = fewStepsOf(name) ?? fewStepsOf(String(scheduler['_class_name']).replace('Scheduler', ''));
  return named && { steps: named.steps, guidance: named.guidance };
}

export function modelCard(model: ModelFolder): ModelCard {
  const scale = vaeScale(model.vae.config);
  const fewSteps = fewStepsOfModel(model);
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
    ...(fewSteps && { fewSteps }),
    ...(isInpainting(model) && { inpainting: true }),
    ...(model.scheduler['rescale_betas_zero_snr'] === true && { zeroTerminalSnr: true }),
  };
}
