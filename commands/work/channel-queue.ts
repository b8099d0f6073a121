/** @file A channel's queue: runs and sets that are queued or running, and duels that are open. */
import type { Duel, PictureSet, Run } from '../../core/records.ts';
import type { Records } from '../../storage/records.ts';

/** A run, a set or a duel. */
export type Work =
  | { readonly kind: 'run'; readonly run: Run }
  | { readonly kind: 'set'; readonly set: PictureSet }
  | { readonly kind: 'duel'; readonly duel: Duel };

/** Work that has a job. */
export type JobWork = Exclude<Work, { readonly kind: 'duel' }>;

/** The record of a run, a set or a duel. */
export function workRecord(work: JobWork): Run | PictureSet;
export function workRecord(work: Work): Run | PictureSet | Duel;
export function workRecord(work: Work): Run | PictureSet | Duel {
  if (work.kind === 'duel') return work.duel;
  return work.kind === 'run' ? work.run : work.set;
}

/** Returns the channel's jobs and duels, oldest first. Samples of a run are part of the run. */
export async function channelQueue(records: Records, channelId: string): Promise<Work[]> {
  const { runs, sets } = await records.openWork(channelId);
  const work: Work[] = [
    ...runs.map((run) => ({ kind: 'run', run }) as const),
    ...sets.filter(({ runId }) => runId === null).map((set) => ({ kind: 'set', set }) as const),
    ...(await records.openDuels(channelId)).map((duel) => ({ kind: 'duel', duel }) as const),
  ];
  return work.sort((a, b) => workRecord(a).createdAt.getTime() - workRecord(b).createdAt.getTime());
}
