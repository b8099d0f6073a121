/** @file Gauges that are read when they are asked for: the queue, what is stored, the disk. */
import { statfs } from 'node:fs/promises';
import { storageLimit } from '../core/environment.ts';
import { diskBytes, queueJobs, queueOldestSeconds, storedBytes, storedLimitBytes } from '../core/metrics.ts';
import type { RecordStore } from '../storage/records.ts';

const KINDS = ['imagine', 'train', 'sweep', 'pull'] as const;
const STATES = ['queued', 'running'] as const;

/** The sum over all files takes a while in a large database, so it is read this rarely, ms. */
const SUM_EVERY = 60_000;

/** Returns what reads the queue, and the sum of stored files, from the records. */
export function collectRecords(
  records: Pick<RecordStore, 'workload' | 'storedBytesInAll'>,
): () => Promise<void> {
  let summed = -Infinity;
  return async () => {
    const open = await records.workload();
    for (const kind of KINDS) {
      for (const state of STATES) {
        const found = open.find((each) => each.kind === kind && each.state === state);
        queueJobs.set({ kind, state }, found?.count ?? 0);
        if (state === 'queued') queueOldestSeconds.set({ kind }, found?.oldestSeconds ?? 0);
      }
    }
    if (performance.now() - summed < SUM_EVERY) return;
    summed = performance.now();
    storedBytes.set(await records.storedBytesInAll());
    storedLimitBytes.set(storageLimit() ?? 0);
  };
}

/** Reads the disk of the data folder. */
export async function collectDisk(dataFolder: string): Promise<void> {
  const { bsize, blocks, bavail } = await statfs(dataFolder);
  diskBytes.set({ part: 'size' }, blocks * bsize);
  diskBytes.set({ part: 'free' }, bavail * bsize);
}
