/** @file The end of a refinement: a duel of its result against the champion. Without it, nothing replaces a champion. */
import { KronaError } from '../../core/errors.ts';
import type { RecordStore } from '../../storage/records.ts';
import { openDuel } from './open-duel.ts';

/** Opens the duel that judges a refinement; where there can't be one, its run says why the result is only kept. */
export async function judgeRefinement(store: RecordStore, runId: string): Promise<void> {
  await store.transaction(async (records) => {
    const run = await records.run(runId);
    const refinement = run?.refinement ?? null;
    if (run === null || refinement === null || refinement.kept !== null) return;
    if ((await records.duelOfRun(runId)) !== null) return;
    const keep = (why: string) => records.updateRun(runId, { refinement: { ...refinement, kept: why } });
    const subject = await records.subject(run.subjectId);
    const channel = await records.channelById(run.channelId);
    const [member] = await records.members([run.memberId]);
    if (subject === null || channel === null || member === undefined) return;
    const first = (await records.adapters(run.channelId)).find((each) => each.runId === runId && each.final);
    const second = subject.championId === null ? null : await records.adapter(subject.championId);
    if (first === undefined) return keep('Its adapter was deleted.');
    if (second === null) return keep(`${subject.name} has no champion any more to compare it with.`);
    if (second.id === first.id) return keep('A member has already made it the champion.');
    try {
      await openDuel(records, { channel, member }, { subject, first, second, runId });
    } catch (error) {
      if (!(error instanceof KronaError)) throw error;
      // Another duel of the subject ends some day; then it is this one's turn.
      if (error.code !== 'DUEL_OPEN') await keep(error.message);
    }
  });
}
