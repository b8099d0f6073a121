/** @file Opens the duel that judges a refinement: only by winning against the champion does its result replace it. */
import { KronaError } from '../../core/errors.ts';
import type { Run } from '../../core/records.ts';
import type { RecordStore, Records } from '../../storage/records.ts';
import { openDuel } from './open-duel.ts';

/**
 * Opens the duel of a refinement that is done, once, or notes why there is none. While another duel of the subject is
 * open, it waits. Safe to call at any time, in several processes.
 */
export async function judgeRefinement(records: RecordStore, id: string): Promise<void> {
  await records.transaction(async (within) => {
    const run = await within.run(id);
    if (run?.refinement == null || run.refinement.kept !== null) return;
    if (run.state !== 'done' || (await within.duelOfRun(id)) !== null) return;
    const kept = await open(within, run);
    if (kept !== null) await within.updateRun(id, { refinement: { ...run.refinement, kept } });
  });
}

/** @returns why there is no duel; null when there is one, or will be */
async function open(records: Records, run: Run): Promise<string | null> {
  const subject = await records.subject(run.subjectId);
  const channel = await records.channelById(run.channelId);
  const [member] = await records.members([run.memberId]);
  if (subject === null || channel === null || member === undefined) return null;
  const adapters = await records.adapters(run.channelId);
  const result = adapters.find(({ runId, final }) => runId === run.id && final);
  if (result === undefined) return 'Its adapter was deleted.';
  if (subject.championId === result.id) return 'It is the champion already.';
  const champion = adapters.find((adapter) => adapter.id === subject.championId);
  if (champion === undefined) return `${subject.name} has no champion to compare it with.`;
  try {
    await openDuel(records, { channel, member }, { subject, first: result, second: champion, runId: run.id });
    return null;
  } catch (error) {
    if (!(error instanceof KronaError) || error.retryable) throw error;
    return error.code === 'DUEL_OPEN' ? null : error.message;
  }
}
