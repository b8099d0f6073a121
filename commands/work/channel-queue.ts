/** @file A channel's queue: runs and sets that are queued or running. */
import type { PictureSet, Run } from '../../core/records.ts';
import type { Records } from '../../storage/records.ts';

/** A run or a set. */
export type Work =
  { readonly kind: 'run'; readonly run: Run } | { readonly kind: 'set'; readonly set: PictureSet };

/** The record of a run or set. */
export function workRecord(work: Work): Run | PictureSet {
  return work.kind === 'run' ? work.run : work.set;
}

/** Returns the channel's jobs, oldest first. Samples of a run are part of the run. */
export async function channelQueue(records: Records, channelId: string): Promise<Work[]> {
  const { runs, sets } = await records.openWork(channelId);
  const work: Work[] = [
    ...runs.map((run) => ({ kind: 'run', run }) as const),
    ...sets.filter(({ runId }) => runId === null).map((set) => ({ kind: 'set', set }) as const),
  ];
  return work.sort((a, b) => workRecord(a).createdAt.getTime() - workRecord(b).createdAt.getTime());
}
