/** @file Sets that were asked for while their subject was being trained: they are queued when that run has ended. */
import type { Run } from '../../core/records.ts';
import { hasEnded } from '../../core/work-state.ts';
import type { RecordStore, Records } from '../../storage/records.ts';

/** Queues every set that waits for this run, with the subject's champion; without one, the set fails and says why. */
export async function releaseWaiting(run: Run, records: RecordStore): Promise<void> {
  if (!hasEnded(run)) return;
  await records.transaction(async (within) => {
    for (const set of await within.setsAwaiting(run.id)) {
      const subject = await within.subject(run.subjectId);
      const adapterId = subject?.championId ?? null;
      if (adapterId === null) await fail(set.id, run, subject?.name ?? 'the subject', within);
      else {
        await within.updateSet(set.id, { adapterId, awaitsRunId: null });
        await within.addOutboxJob({ id: set.id, kind: 'imagine', payload: { setId: set.id } });
      }
    }
  });
}

async function fail(setId: string, { state }: Run, name: string, records: Records): Promise<void> {
  const how = state === 'done' ? 'left no adapter' : state === 'cancelled' ? 'was cancelled' : 'failed';
  const message = `These pictures waited for the training of ${name}, which ${how}. Train ${name} again, then ask again.`;
  await records.updateSet(setId, {
    state: 'failed',
    failure: { code: 'SUBJECT_NOT_READY', message },
    awaitsRunId: null,
    endedAt: new Date(),
  });
}
