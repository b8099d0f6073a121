/**
 * @file Refines with a second model, as SDXL's refiner does (arXiv 2307.01952, section 2.5): it takes over at some
 * noise level, or denoises the finished latents again. Both models share latents, so their VAEs must match.
 */
import { KronaError } from '../../core/errors.ts';
import type { ModelFolder } from '../models/model-folder.ts';
import { createNoise, type NoiseSource } from './noise.ts';
import type { DrawHooks, DrawnPicture, DrawRequest, TextToImage } from './text-to-image.ts';

/** The strength with which diffusers' image-to-image pipelines of SDXL and the method's authors use a refiner. */
export const REFINER_STRENGTH = 0.3;

export type Refinement =
  /** Share of the noise levels for the first model, in (0, 1); the refiner's model card uses 0.8. */
  | { readonly from: number }
  /** Share of the steps to repeat, from the finished latents. */
  | { readonly strength: number };

/** @throws KronaError REFINER_UNFIT if the latents of the two differ */
export function checkRefiner(base: ModelFolder, refiner: ModelFolder): void {
  const [a, b] = [base.vae.config, refiner.vae.config];
  if (
    a.latent_channels !== b.latent_channels ||
    a.scaling_factor !== b.scaling_factor ||
    a.block_out_channels.length !== b.block_out_channels.length
  )
    throw new KronaError(
      'REFINER_UNFIT',
      `${refiner.name} cannot refine ${base.name}: their latents differ (scaling ${b.scaling_factor} and ` +
        `${a.scaling_factor}). Use the refiner of the same family.`,
    );
}

/**
 * Draws with the first model and refines with the second. Adapters and pictures that steer apply to the first only; both
 * share the noise source.
 *
 * @throws KronaError REFINER_UNFIT if their latents differ; and as TextToImage.draw
 */
export async function drawRefined(
  base: TextToImage,
  refiner: TextToImage,
  request: DrawRequest,
  how: Refinement,
  hooks: DrawHooks = {},
  source: NoiseSource = createNoise(request.noise, request.seed),
): Promise<DrawnPicture[]> {
  checkRefiner(base.model, refiner.model);
  const first = 'from' in how ? { ...request, until: how.from } : request;
  let before = 0;
  const latents = await base.denoise(
    first,
    {
      ...hooks,
      onStep: (step, steps) => {
        before = steps;
        hooks.onStep?.(step, Math.max(steps, request.steps));
      },
    },
    source,
  );
  const { varies: _varies, until: _until, steer: _steer, ...rest } = request;
  const second = { ...rest, adapter: null, start: { latents, ...how } };
  const onStep = (step: number, steps: number): void => hooks.onStep?.(before + step, before + steps);
  return refiner.draw(second, { ...hooks, onStep }, source);
}
