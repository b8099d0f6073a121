/** @file Queues and cancels runs and sets. A job has the id of its record. */
import { randomUUID } from 'node:crypto';
import { KronaError } from '../../core/errors.ts';
import { alternativesOf } from '../../core/prompts/alternatives.ts';
import type { PictureSet, Run, Subject } from '../../core/records.ts';
import { randomSeed } from '../../core/seeds.ts';
import { hasEnded } from '../../core/work-state.ts';
import type { Records } from '../../storage/records.ts';
import { note } from '../rules/audit.ts';
import { counted } from '../../core/format.ts';
import type { Actor, CommandContext } from '../contract.ts';
import { workRecord, type JobWork } from './channel-queue.ts';
import { requireOwner } from '../rules/permission.ts';
import { admitWork } from '../rules/guard.ts';
import { promptTexts } from '../rules/prompt-texts.ts';

/** A member's request for a training. */
type AskedRun = Pick<Run, 'settings' | 'photoHashes' | 'photoPrompts'> &
  Partial<Pick<Run, 'refinement' | 'sweep' | 'model'>> & {
    /** What it counts as in quotas; default 1. */
    readonly trainings?: number;
  };

/** The queue of a run. */
export const jobOf = ({ sweep }: Pick<Run, 'sweep'>): 'train' | 'sweep' =>
  sweep === null ? 'train' : 'sweep';

/**
 * Adds a run with its post and its job. Call it inside a transaction.
 *
 * @throws KronaError PROMPT_REFUSED, QUOTA_EXCEEDED
 */
export async function startRun(
  records: Records,
  actor: Actor,
  subject: Subject,
  { trainings = 1, ...run }: AskedRun,
): Promise<Run> {
  await admitWork(records, actor, { kind: 'train', trainings }, [subject.name, subject.className]);
  const channelId = actor.channel.id;
  const added = await records.addRun({
    ...run,
    id: randomUUID(),
    channelId,
    subjectId: subject.id,
    memberId: actor.member.id,
    state: 'queued',
    seed: randomSeed(),
  });
  await records.addPost({ id: randomUUID(), channelId, kind: 'run', targetId: added.id });
  await records.addOutboxJob({ id: added.id, kind: jobOf(added), payload: { runId: added.id } });
  const from = run.refinement ? 'votes and ' : '';
  const cells = run.sweep ? `${run.sweep.cells.length} cells, up to ` : '';
  const what = `${subject.name} from ${from}${counted(run.photoHashes.length, 'photo')}, ${cells}${run.settings.steps} steps`;
  await note(records, actor, 'train', what, { targetId: added.id, amount: trainings });
  return added;
}

/** A member's request for pictures. */
type AskedSet = Pick<
  PictureSet,
  | 'subjectId'
  | 'prompt'
  | 'negative'
  | 'seed'
  | 'count'
  | 'strength'
  | 'settings'
  | 'adapterId'
  | 'alsoAdapterIds'
  | 'variationOf'
> &
  Partial<Pick<PictureSet, 'awaitsRunId' | 'start' | 'steering' | 'model' | 'upscaleOf'>> & {
    /** Default: `imagine`. */
    readonly kind?: 'upscale';
  };

function noteOf({ prompt, count, variationOf, kind }: AskedSet): string {
  const what = kind === 'upscale' ? 'upscaled: ' : variationOf !== null ? 'varied: ' : '';
  return `${what}${prompt} (${counted(count, 'picture')})`;
}

/**
 * Adds a member's set with its post and its job. Call it inside a transaction.
 *
 * @throws KronaError PROMPT_REFUSED, PROMPT_WEIGHT_INVALID, ALTERNATIVES_TOO_MANY, QUOTA_EXCEEDED
 */
export async function startSet(records: Records, actor: Actor, set: AskedSet): Promise<PictureSet> {
  const channelId = actor.channel.id;
  const subjects = await records.subjects(channelId);
  const read = alternativesOf(set.prompt, set.count);
  const texts = read.flatMap((prompt) => promptTexts(prompt, subjects, set.subjectId));
  await admitWork(records, actor, { kind: 'imagine', pictures: set.count }, [set.prompt, ...texts]);
  const added = await records.addSet({
    kind: 'imagine',
    ...set,
    id: randomUUID(),
    channelId,
    memberId: actor.member.id,
    runId: null,
    state: 'queued',
  });
  await records.addPost({ id: randomUUID(), channelId, kind: 'set', targetId: added.id });
  // The worker queues a set that waits when its run has ended.
  if (added.awaitsRunId === null)
    await records.addOutboxJob({ id: added.id, kind: 'imagine', payload: { setId: added.id } });
  await note(records, actor, 'imagine', noteOf(set), { targetId: added.id, amount: set.count });
  return added;
}

/** Finds a run or set of this channel by id. */
export async function findWork(records: Records, actor: Actor, id: string): Promise<JobWork | null> {
  const run = await records.run(id);
  if (run?.channelId === actor.channel.id) return { kind: 'run', run };
  const set = await records.set(id);
  if (set?.channelId === actor.channel.id) return { kind: 'set', set };
  return null;
}

/**
 * Cancels a run or set: the record changes at once, and the worker stops within a step.
 *
 * @throws KronaError NOT_ALLOWED, WORK_ENDED
 */
export async function cancelWork(actor: Actor, work: JobWork, context: CommandContext): Promise<void> {
  const what =
    work.kind === 'set'
      ? 'cancel these pictures'
      : work.run.sweep
        ? 'cancel this sweep'
        : 'cancel this training';
  const who = `the member who requested ${work.kind === 'run' ? 'it' : 'them'}`;
  requireOwner(actor, [workRecord(work).memberId], what, who);
  await stopWork(work, context);
}

/** Cancels without a check of permissions, before a deletion. @throws KronaError WORK_ENDED */
export async function stopWork(work: JobWork, context: CommandContext): Promise<void> {
  const { id } = workRecord(work);
  await context.records.transaction(async (records) => {
    const now = work.kind === 'run' ? await records.run(id) : await records.set(id);
    if (!now || hasEnded(now))
      throw new KronaError(
        'WORK_ENDED',
        `There is nothing to cancel: this job is already ${now?.state ?? 'deleted'}.`,
      );
    const change = { state: 'cancelled', endedAt: new Date() } as const;
    await (work.kind === 'run' ? records.updateRun(id, change) : records.updateSet(id, change));
  });
  // The worker sees that the record has ended, so a queue that is away only costs it some more steps.
  await cancelJob(work, context.jobs).catch((error: unknown) => {
    if (!(error instanceof KronaError && error.retryable)) throw error;
  });
}

/** Cancels a job, which may not be in the queue yet: adding it (which works once) makes sure that there is one. */
async function cancelJob(work: JobWork, jobs: CommandContext['jobs']): Promise<void> {
  const owner = workRecord(work);
  if (work.kind === 'run') await jobs.enqueue(jobOf(work.run), owner.id, { runId: owner.id }, owner);
  else await jobs.enqueue('imagine', owner.id, { setId: owner.id }, owner);
  await jobs.cancel(work.kind === 'run' ? jobOf(work.run) : 'imagine', owner.id);
}
