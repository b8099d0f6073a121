/**
 * @file Compares open runs and sets with the queue: a Redis server that came back empty, or a lost table, leaves
 * records that wait for a job which does not exist.
 */
import { hasEnded } from '../core/work-state.ts';
import type { OwnedJob } from '../core/records.ts';
import type { JobQueue } from './jobs/contract.ts';
import type { RecordStore } from './records.ts';

/**
 * Queues every open run and set again whose job is missing from the queue, or ended without ending its record. Safe
 * to call in several processes at once: a job is added once.
 *
 * @returns how many were queued again
 */
export async function restoreLostJobs(
  records: Pick<RecordStore, 'openJobs' | 'run' | 'set' | 'pull'>,
  jobs: Pick<JobQueue, 'unfinished' | 'restore'>,
): Promise<number> {
  const open = await records.openJobs();
  if (open.length === 0) return 0;
  const queued = {
    train: await jobs.unfinished('train'),
    sweep: await jobs.unfinished('sweep'),
    imagine: await jobs.unfinished('imagine'),
    pull: await jobs.unfinished('pull'),
  };
  let restored = 0;
  for (const job of open) {
    if (queued[job.kind].has(job.id)) continue;
    // A job ends after its record: one that ended since the first look is no longer open.
    if ((await isOpen(job, records)) && (await jobs.restore(job.kind, job.id, job.payload, job.owner)))
      restored += 1;
  }
  return restored;
}

async function isOpen(
  { kind, id }: OwnedJob,
  records: Pick<RecordStore, 'run' | 'set' | 'pull'>,
): Promise<boolean> {
  const record =
    kind === 'imagine'
      ? await records.set(id)
      : kind === 'pull'
        ? await records.pull(id)
        : await records.run(id);
  return record !== null && !hasEnded(record);
}
