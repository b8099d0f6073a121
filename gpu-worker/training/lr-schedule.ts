/** @file Learning rate schedules: diffusers' `get_scheduler` with the same names (diffusers/optimization.py). */
import type { LrSchedule } from '../../core/settings/choices.ts';

/**
 * The learning rate's factor at optimiser step `step`, from 0. The warm-up rises to 1 in its last step; diffusers'
 * starts with a step at zero, which changes nothing.
 */
export function lrShare(schedule: LrSchedule, step: number, steps: number, warmup: number): number {
  if (step < warmup) return (step + 1) / warmup;
  const done = (step - warmup) / Math.max(1, steps - warmup);
  switch (schedule) {
    case 'constant':
      return 1;
    case 'cosine':
      return (1 + Math.cos(Math.PI * done)) / 2;
    case 'linear':
      return 1 - done;
  }
}
