/** @file What the cards of runs and sets have in common: tone and progress. */
import type { Run, WorkState } from '../../core/records.ts';
import { duration, ordinal } from '../../core/format.ts';
import type { Card, Tone } from '../card.ts';

export const WORK_TONES: Readonly<Record<WorkState, Tone>> = {
  queued: 'progress',
  running: 'progress',
  done: 'success',
  failed: 'error',
  cancelled: 'warning',
};

interface Words {
  /** Said while it runs without a progress of its own. */
  readonly begins: string;
  /** Also say which step it is. */
  readonly countsSteps: boolean;
}

/**
 * Returns how far a run or set is: `2nd in the queue`, `28% · training · step 56 of 200 · 8 s left`.
 *
 * @param position - 1 for the next to run; null: not known
 */
export function workProgress(
  { state, progress }: Pick<Run, 'state' | 'progress'>,
  position: number | null,
  { begins, countsSteps }: Words,
): Card['progress'] {
  if (state === 'queued')
    return { fraction: null, label: position ? `${ordinal(position)} in the queue` : 'queued' };
  if (state !== 'running') return undefined;
  if (progress === null) return { fraction: null, label: begins };
  const { step, steps, secondsLeft, phase } = progress;
  const fraction = steps > 0 ? Math.min(1, Math.max(0, step / steps)) : null;
  const parts = [
    fraction === null ? '' : `${Math.floor(fraction * 100)}%`,
    phase,
    countsSteps ? `step ${step} of ${steps}` : '',
    secondsLeft === null ? '' : `${duration(secondsLeft)} left`,
  ];
  return { fraction, label: parts.filter((part) => part !== '').join(' · ') };
}
