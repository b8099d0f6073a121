/** @file Sets that were asked for while their subject was being trained: they are queued when that run has ended. */
import type { PictureSet, Run } from '../core/records.ts';
import type { RecordStore, Records } from './records.ts';

/**
 * Queues every set that waits for a run that has ended, with the subject's champion, or the newest result of a training where
 * that belongs to another model than the set; without any, the set fails and says why. Safe to call in several processes at once, and whenever a run ended or a set was added beside its end.
 */
export async function releaseWaiting(records: RecordStore): Promise<void> {
  if ((await records.setsToRelease()).length === 0) return;
  await records.transaction(async (within) => {
    for (const set of await within.setsToRelease()) {
      const run = set.awaitsRunId === null ? null : await within.run(set.awaitsRunId);
      if (run !== null) await release(set, run, within);
    }
  });
}

async function release(set: PictureSet, run: Run, records: Records): Promise<void> {
  const subject = await records.subject(run.subjectId);
  const own = (await records.adapters(set.channelId)).filter(
    ({ subjectId, model }) => subjectId === run.subjectId && model === set.model,
  );
  const adapter = own.find(({ id }) => id === subject?.championId) ?? own.find(({ final }) => final);
  const adapterId = subject?.championId == null ? null : (adapter?.id ?? null);
  if (adapterId === null) return fail(set.id, run, subject?.name ?? 'the subject', records);
  await records.updateSet(set.id, { adapterId, awaitsRunId: null });
  await records.addOutboxJob({ id: set.id, kind: 'imagine', payload: { setId: set.id } });
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
