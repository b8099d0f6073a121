/**
 * @file Dynamic loss scaling, as torch.amp.GradScaler does it by default: what the loss is multiplied by so that small
 * gradients do not vanish in 16 bits grows until one of them overflows (Micikevicius et al. 2018, arXiv 1710.03740,
 * section 3.2). A step whose gradient is not finite is not taken; it is computed again at half the scale.
 */
import { KronaError } from '../../core/errors.ts';

/** Part of what a run resumes from. */
export interface LossScale {
  readonly scale: number;
  /** Steps taken since the scale last changed. */
  readonly good: number;
}

/** GradScaler's defaults: init_scale, and growth_interval with factors of 2 and 0.5. */
export const INITIAL_LOSS_SCALE: LossScale = { scale: 2 ** 16, good: 0 };
const GROWTH_INTERVAL = 2000;

/** Below this, nothing overflows for being scaled. */
const LEAST = 1;

/** @param finite whether the step's gradient was, so that the step was taken */
export function nextLossScale({ scale, good }: LossScale, finite: boolean): LossScale {
  if (!finite) return { scale: scale / 2, good: 0 };
  return good + 1 === GROWTH_INTERVAL ? { scale: scale * 2, good: 0 } : { scale, good: good + 1 };
}

function allFinite(gradient: Float32Array): boolean {
  // 0·x is 0 for every finite x, and NaN otherwise.
  let zero = 0;
  for (let i = 0; i < gradient.length; i++) zero += 0 * gradient[i]!;
  return zero === 0;
}

/**
 * Takes a step with a gradient that was computed at a scale (and divided by it again), or does not.
 *
 * @param scale null: the loss was not scaled
 * @returns the next scale, and whether the step was taken; if not, compute the step again
 * @throws KronaError TRAINING_DIVERGED when no scale helps
 */
export async function scaledStep(
  gradient: Float32Array,
  scale: LossScale | null,
  take: () => Promise<unknown>,
): Promise<{ readonly taken: boolean; readonly scale: LossScale | null }> {
  const taken = allFinite(gradient);
  if (taken) await take();
  else if (scale === null || scale.scale <= LEAST)
    throw new KronaError(
      'TRAINING_DIVERGED',
      'The gradient is no longer finite, though the loss is. Try a lower learning rate.',
    );
  return { taken, scale: scale && nextLossScale(scale, taken) };
}
