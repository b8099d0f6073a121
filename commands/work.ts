/** @file Runs and sets as work: put in the queue, watched, cancelled. A job's id is its record's id. */
import { randomInt, randomUUID } from 'node:crypto';
import { KronaError } from '../storage/errors.ts';
import type { PictureSet, Records, Run } from '../storage/records/contract.ts';
import type { Actor, CommandContext } from './contract.ts';
import { requireOwner } from './permission.ts';

/** Seeds are whole numbers from 0 to this. */
export const MAX_SEED = 2 ** 32 - 1;

export function randomSeed(): number {
  return randomInt(MAX_SEED + 1);
}

/** A run or set of a channel, found by id. */
export type Work =
  { readonly kind: 'run'; readonly run: Run } | { readonly kind: 'set'; readonly set: PictureSet };

/** The part of a run or set that both have. */
export function workRecord(work: Work): Run | PictureSet {
  return work.kind === 'run' ? work.run : work.set;
}

export function isOpen(record: Pick<Run, 'state'>): boolean {
  return record.state === 'queued' || record.state === 'running';
}

/** Adds a run with the post that shows it and the job that does it. Call inside a transaction. */
export async function startRun(
  records: Records,
  run: Pick<Run, 'channelId' | 'subjectId' | 'memberId' | 'settings' | 'photoHashes'>,
): Promise<Run> {
  const added = await records.addRun({ ...run, id: randomUUID(), state: 'queued', seed: randomSeed() });
  await records.addPost({ id: randomUUID(), channelId: run.channelId, kind: 'run', targetId: added.id });
  await records.addOutboxJob({ id: added.id, kind: 'train', payload: { runId: added.id } });
  return added;
}

/** Adds a member's set with the post that shows it and the job that draws it. Call inside a transaction. */
export async function startSet(
  records: Records,
  set: Omit<
    PictureSet,
    'id' | 'kind' | 'runId' | 'state' | 'progress' | 'failure' | 'revision' | 'createdAt' | 'endedAt'
  >,
): Promise<PictureSet> {
  const added = await records.addSet({
    ...set,
    id: randomUUID(),
    kind: 'imagine',
    runId: null,
    state: 'queued',
  });
  await records.addPost({ id: randomUUID(), channelId: set.channelId, kind: 'set', targetId: added.id });
  await records.addOutboxJob({ id: added.id, kind: 'imagine', payload: { setId: added.id } });
  return added;
}

/** The run or set of this channel with an id, null when there is none. */
export async function findWork(records: Records, actor: Actor, id: string): Promise<Work | null> {
  const run = await records.run(id);
  if (run?.channelId === actor.channel.id) return { kind: 'run', run };
  const set = await records.set(id);
  if (set?.channelId === actor.channel.id) return { kind: 'set', set };
  return null;
}

/**
 * Cancels a run or set: the records say so at once, and the worker stops within a step.
 *
 * @throws KronaError NOT_ALLOWED, WORK_ENDED
 */
export async function cancelWork(actor: Actor, work: Work, context: CommandContext): Promise<void> {
  const { id, memberId } = workRecord(work);
  const what = work.kind === 'run' ? 'cancel this run' : 'cancel this set';
  requireOwner(actor, [memberId], what);
  await context.records.transaction(async (records) => {
    const now = work.kind === 'run' ? await records.run(id) : await records.set(id);
    if (!now || !isOpen(now))
      throw new KronaError(
        'WORK_ENDED',
        `There is nothing to cancel: it has ended already (${now?.state ?? 'deleted'}).`,
      );
    const change = { state: 'cancelled', endedAt: new Date() } as const;
    await (work.kind === 'run' ? records.updateRun(id, change) : records.updateSet(id, change));
  });
  // The job may still be on its way to the queue: putting it there (once only) makes sure there is one to cancel.
  const { jobs } = context;
  if (work.kind === 'run') await jobs.enqueue('train', id, { runId: id });
  else await jobs.enqueue('imagine', id, { setId: id });
  await jobs.cancel(work.kind === 'run' ? 'train' : 'imagine', id);
}
