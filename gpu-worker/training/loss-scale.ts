/**
 * @file Dynamic loss scaling, with torch.amp.GradScaler's defaults: the factor on the loss, which keeps small gradients
 * from vanishing in 16 bits, grows until a gradient overflows (Micikevicius et al. 2018, arXiv 1710.03740, section
 * 3.2). A step with a non-finite gradient is recomputed at half the scale.
 */
import { KronaError } from '../../core/errors.ts';

/** Part of the state that a run resumes from. */
export interface LossScale {
  readonly scale: number;
  /** Steps taken since the scale last changed. */
  readonly good: number;
}

/** GradScaler's defaults: init_scale, and growth_interval with factors of 2 and 0.5. */
export const INITIAL_LOSS_SCALE: LossScale = { scale: 2 ** 16, good: 0 };
const GROWTH_INTERVAL = 2000;

/** Below this, scaling isn't the cause of an overflow. */
const LEAST = 1;

/** @param finite whether the step's gradient was finite, so that the step was taken */
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
 * Takes a step with a gradient computed at a scale (and divided by it again), unless the gradient overflowed.
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
