/** @file Queues work again that failed or was cancelled: for administrators, when its cause is gone. */
import { KronaError } from '../../core/errors.ts';
import type { Records } from '../../storage/records.ts';
import { note } from '../rules/audit.ts';
import type { Actor, CommandContext } from '../contract.ts';
import { workRecord, type JobWork } from './channel-queue.ts';
import { refuseWhileTraining } from './train.ts';
import { jobOf } from './work.ts';

/** A state from which work can begin again. */
const AGAIN: readonly string[] = ['failed', 'cancelled'];

/**
 * @param actor - is told in the channel's log
 * @throws KronaError WORK_NOT_FAILED, WORK_ENDED, SUBJECT_BUSY, NO_PHOTOS
 */
export async function requeueWork(
  actor: Pick<Actor, 'channel' | 'member'>,
  work: JobWork,
  { records, jobs }: CommandContext,
): Promise<void> {
  const { id, channelId, memberId } = workRecord(work);
  await records.transaction(async (within) => {
    const now = work.kind === 'run' ? await within.run(id) : await within.set(id);
    if (now === null || !AGAIN.includes(now.state))
      throw new KronaError(
        'WORK_NOT_FAILED',
        `Only failed and cancelled jobs can be queued again; this one is ${now?.state ?? 'deleted'}.`,
      );
    await refuseHopeless(within, work);
    const change = { state: 'queued', progress: null, failure: null, endedAt: null } as const;
    await (work.kind === 'run' ? within.updateRun(id, change) : within.updateSet(id, change));
    await within.forgetDeliveries(id);
    await note(within, actor, 'queue', `queued again: ${workName(work)}`, { targetId: id });
  });
  const owner = { channelId, memberId };
  // Where the queue is away, the bot's next look for lost jobs adds it.
  const restored =
    work.kind === 'run'
      ? jobs.restore(jobOf(work.run), id, { runId: id }, owner)
      : jobs.restore('imagine', id, { setId: id }, owner);
  await restored.catch((error: unknown) => {
    if (!(error instanceof KronaError && error.retryable)) throw error;
  });
}

/** Work that can't begin again, though it ended early. @throws KronaError WORK_ENDED, SUBJECT_BUSY, NO_PHOTOS */
async function refuseHopeless(records: Records, work: JobWork): Promise<void> {
  if (work.kind === 'set') {
    if (work.set.duelId === null) return;
    throw new KronaError(
      'WORK_ENDED',
      'This is a pair of a duel, which went on without it. Cancelled and failed pairs don’t count.',
    );
  }
  const subject = await records.subject(work.run.subjectId);
  if (subject === null) return;
  refuseWhileTraining(subject, (await records.openWork(subject.channelId)).runs);
  const kept = new Set((await records.photos(subject.id)).map(({ blobHash }) => blobHash));
  if (work.run.photoHashes.some((hash) => !kept.has(hash)))
    throw new KronaError(
      'NO_PHOTOS',
      `Photos of this training were deleted since, so it can't begin again. Ask for a new one with \`/krona train\`.`,
    );
}

/** What a job is, for the log. */
export const workName = (work: JobWork): string =>
  work.kind === 'run' ? `a training of ${work.run.settings.steps} steps` : work.set.prompt;
