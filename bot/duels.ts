/**
 * @file Takes duels further while the bot runs: as votes and pictures come, and when their time is over. Opens those
 * that judge refinements and sweeps.
 */
import { advanceDuel } from '../commands/votes/advance-duel.ts';
import { judgeRun } from '../commands/votes/judge-run.ts';
import type { Log } from '../core/log.ts';
import { repeat } from '../core/retrying.ts';
import type { RecordStore } from '../storage/records.ts';

/** Pause between looks, ms. */
const LOOK_EVERY = 500;
/** Pauses after looks that fail, ms. */
const PAUSES = { first: 1_000, longest: 30_000 };

/** Starts to look after duels; the returned function stops after the current look. */
export function watchDuels(records: RecordStore, log: Log): () => Promise<void> {
  const stopping = new AbortController();
  const look = async (): Promise<void> => {
    for (const id of await records.runsToJudge()) await judgeRun(records, id);
    for (const id of await records.duelsToLookAt()) await advanceDuel(records, id);
  };
  const watching = repeat(look, {
    every: LOOK_EVERY,
    pauses: PAUSES,
    signal: stopping.signal,
    onError: (error) => log.error({ error }, 'could not take a duel further; trying again'),
    onRecovered: () => log.info({}, 'takes duels further again'),
  });
  return async () => {
    stopping.abort();
    await watching;
  };
}
