/** @file Runs and sets of a channel that wait or run. */
import type { PictureSet, Run } from '../../core/records.ts';
import type { Records } from '../../storage/records.ts';

/** A run or set of a channel, found by id. */
export type Work =
  { readonly kind: 'run'; readonly run: Run } | { readonly kind: 'set'; readonly set: PictureSet };

/** The part of a run or set that both have. */
export function workRecord(work: Work): Run | PictureSet {
  return work.kind === 'run' ? work.run : work.set;
}

/** Open runs, then members' open sets; a run's own samples belong to it. */
export async function openWork(records: Records, channelId: string): Promise<Work[]> {
  const { runs, sets } = await records.openWork(channelId);
  return [
    ...runs.map((run) => ({ kind: 'run', run }) as const),
    ...sets.filter(({ runId }) => runId === null).map((set) => ({ kind: 'set', set }) as const),
  ];
}
