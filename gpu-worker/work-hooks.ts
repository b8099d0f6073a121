/** @file How long work in the worker tells of itself and is stopped, whoever asked for it: a job or the command line. */
import type { Progress } from '../storage/records/contract.ts';

export interface WorkHooks<P extends Progress = Progress> {
  /** Called at the start of each phase and after every step; the receiver decides how often to pass it on. */
  onProgress(progress: P): void;
  /** When it aborts, the work stops at the next step and rejects with KronaError CANCELLED. */
  readonly signal: AbortSignal;
}
