/** @file The first champion of a subject, which a training chooses as nobody has voted yet. */
import { randomUUID } from 'node:crypto';
import type { Adapter, Subject } from '../../core/records.ts';
import type { WorkerContext } from './context.ts';
import { adapterFile } from './local-files.ts';

/**
 * A subject's first adapter is its champion until votes or a member choose another. So is the first that can draw with the
 * worker's model, after one that was trained on another model.
 */
export async function crownFirst(context: WorkerContext, { id }: Subject, adapter: Adapter): Promise<void> {
  const unfit = await unfitChampion(context, id, adapter);
  await context.records.transaction(async (records) => {
    const subject = await records.subject(id);
    if (subject === null || (subject.championId !== null && subject.championId !== unfit)) return;
    const change = { id: randomUUID(), subjectId: id, adapterId: adapter.id, cause: 'training' } as const;
    const reason = unfit === null ? null : 'The champion before was trained on another model.';
    await records.changeChampion({ ...change, reason }, false);
  });
}

/** The champion's id if it can't draw with the worker's model. */
async function unfitChampion(
  context: WorkerContext,
  subjectId: string,
  { runId }: Adapter,
): Promise<string | null> {
  const { records } = context;
  const id = (await records.subject(subjectId))?.championId ?? null;
  const champion = id === null ? null : await records.adapter(id);
  if (champion === null || champion.runId === runId) return null;
  return (await fitsModel(context, champion)) ? null : champion.id;
}

/** Whether an adapter can draw with the worker's model; not if its file is lost. */
export async function fitsModel(context: WorkerContext, { blobHash }: Adapter): Promise<boolean> {
  const { blobs, engine } = context;
  if ((await blobs.stat(blobHash)) === null) return false;
  return engine.fits(await adapterFile(context, blobHash));
}
