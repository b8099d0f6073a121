/** @file The finalists of a sweep: their adapters are stored, and noted in the run's record. */
import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { Adapter, Run, Sweep, SweptCell } from '../../core/records.ts';
import { cellName } from '../../core/sweep-plan.ts';
import type { SweepResult } from '../training/sweep.ts';
import type { WorkerContext } from './context.ts';

export const droppedOf = ({ cells }: Sweep): SweptCell[] => cells.filter(({ dropped }) => dropped);

/** Stores a finalist's file and record, unless they are stored. @throws KronaError BLOBS_*, DISK_FULL */
export async function keepFinalist(
  { records, blobs }: Pick<WorkerContext, 'records' | 'blobs'>,
  { id: runId, subjectId, channelId, settings: common }: Run,
  { a1, a2, lr, score, adapter: path }: SweepResult,
): Promise<Adapter> {
  const settings = { ...common, a1, a2, lr };
  const { hash: blobHash, size } = await blobs.put(createReadStream(path));
  const adapter = { id: randomUUID(), runId, subjectId, channelId, final: true, blobHash, size, settings };
  await records.addAdapter({ ...adapter, step: score.step });
  const all = await records.adapters(channelId);
  const added = all.find(
    (each) => each.runId === runId && cellName(each.settings) === cellName({ a1, a2, lr }),
  );
  if (added === undefined) throw new Error(`the adapter of ${cellName({ a1, a2, lr })} was deleted at once`);
  return added;
}

/**
 * Notes the finalists, of which no cell can be dropped from then on. Where a member has dropped one just before, none is noted,
 * and the adapters of dropped cells are deleted.
 *
 * @returns whether they are noted
 */
export function noteFinalists(
  { records }: Pick<WorkerContext, 'records'>,
  { id }: Run,
  finalists: readonly Adapter[],
): Promise<boolean> {
  return records.transaction(async (within) => {
    const sweep = (await within.run(id))?.sweep;
    // A run that was deleted has no finalists.
    if (!sweep) return true;
    const dropped = droppedOf(sweep).map(cellName);
    const lost = finalists.filter(({ settings }) => dropped.includes(cellName(settings)));
    for (const adapter of lost) await within.deleteAdapter(adapter.id);
    if (lost.length > 0) return false;
    await within.updateRun(id, { sweep: { ...sweep, finalists: finalists.map((each) => each.id) } });
    return true;
  });
}
