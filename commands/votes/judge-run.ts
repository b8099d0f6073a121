/**
 * @file Opens the duel that judges what a run made: of a refinement's result against the champion, which it replaces only by
 * winning, or of a sweep's finalists.
 */
import { KronaError } from '../../core/errors.ts';
import type { Adapter, Run, Subject, Sweep } from '../../core/records.ts';
import type { RecordStore, Records } from '../../storage/records.ts';
import { openDuel, type Contest } from './open-duel.ts';

/**
 * Opens the duel of a refinement or a sweep that is done, once, or notes why there is none. While another duel of the
 * subject is open, it waits. Safe to call at any time, in several processes.
 */
export async function judgeRun(records: RecordStore, id: string): Promise<void> {
  await records.transaction(async (within) => {
    const run = await within.run(id);
    if (run?.state !== 'done' || (run.refinement ?? run.sweep)?.kept !== null) return;
    if ((await within.duelOfRun(id)) !== null) return;
    const kept = await open(within, run);
    if (kept === null) return;
    const { refinement, sweep } = run;
    await within.updateRun(id, {
      ...(refinement && { refinement: { ...refinement, kept } }),
      ...(sweep && { sweep: { ...sweep, kept } }),
    });
  });
}

/** @returns why there is no duel; null when there is one, or will be */
async function open(records: Records, run: Run): Promise<string | null> {
  const subject = await records.subject(run.subjectId);
  const channel = await records.channelById(run.channelId);
  const [member] = await records.members([run.memberId]);
  if (subject === null || channel === null || member === undefined) return null;
  const adapters = await records.adapters(run.channelId);
  const rivals = run.sweep === null ? refined(run, subject, adapters) : finalists(run.sweep, adapters);
  if (typeof rivals === 'string') return rivals;
  try {
    await openDuel(records, { channel, member }, { subject, ...rivals, runId: run.id });
    return null;
  } catch (error) {
    if (!(error instanceof KronaError) || error.retryable) throw error;
    return error.code === 'DUEL_OPEN' ? null : error.message;
  }
}

type Rivals = Pick<Contest, 'first' | 'second'>;

/** A refinement's result and the champion; or why they can't meet. */
function refined(run: Run, subject: Subject, adapters: readonly Adapter[]): Rivals | string {
  const first = adapters.find(({ runId, final }) => runId === run.id && final);
  if (first === undefined) return 'Its adapter was deleted.';
  if (subject.championId === first.id) return 'It is the champion already.';
  const second = adapters.find((adapter) => adapter.id === subject.championId);
  return second === undefined ? `${subject.name} has no champion to compare it with.` : { first, second };
}

function finalists({ finalists: ids }: Sweep, adapters: readonly Adapter[]): Rivals | string {
  const [first, second] = ids.map((id) => adapters.find((adapter) => adapter.id === id));
  if (first && second) return { first, second };
  return ids.length < 2 ? 'Only one cell was left.' : 'One of the two best was deleted.';
}
