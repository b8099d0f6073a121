/** @file The states of runs and sets. */
import type { WorkState } from './records.ts';

/** Whether a run or set is done, failed or cancelled. */
export const hasEnded = ({ state }: { readonly state: WorkState }): boolean =>
  state !== 'queued' && state !== 'running';
