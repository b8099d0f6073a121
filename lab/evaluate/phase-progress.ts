/** @file Progress of a phase whose steps take about the same time. */
import type { Progress } from '../../core/records.ts';

/** Reports steps done, with the time left estimated from computed steps only: some were kept from an earlier call. */
export function phaseProgress(
  phase: string,
  steps: number,
  onProgress: ((progress: Progress) => void) | undefined,
): (step: number, wasKnown: boolean) => void {
  const began = performance.now();
  let known = 0;
  return (step, wasKnown) => {
    if (wasKnown) known++;
    const computed = step - known;
    const perStep = (performance.now() - began) / 1000 / Math.max(1, computed);
    onProgress?.({ phase, step, steps, secondsLeft: computed > 0 ? perStep * (steps - step) : null });
  };
}
