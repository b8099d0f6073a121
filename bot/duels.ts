/**
 * @file Takes duels further while the bot runs: as votes and pictures come, and when their time is over. Opens those
 * that judge refinements and sweeps.
 */
import { advanceDuel } from '../commands/votes/advance-duel.ts';
import { judgeRun } from '../commands/votes/judge-run.ts';
import { Backoff } from '../core/backoff.ts';
import { isOutage } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { oncePerState, repeat } from '../core/retrying.ts';
import type { RecordStore } from '../storage/records.ts';

/** Pause between looks, ms. */
const LOOK_EVERY = 500;
/** Pauses after looks that fail, and of one duel that fails, ms. */
const PAUSES = { first: 1_000, longest: 30_000 };

/** Starts to look after duels; the returned function stops after the current look. */
export function watchDuels(records: RecordStore, log: Log): () => Promise<void> {
  const stopping = new AbortController();
  const onError = (error: unknown): void =>
    log.error({ error }, 'could not take a duel further; trying again');
  const judge = eachApart((id) => judgeRun(records, id), onError);
  const advance = eachApart((id) => advanceDuel(records, id), onError);
  const look = async (): Promise<void> => {
    await judge(await records.runsToJudge());
    await advance(await records.duelsToLookAt());
  };
  const watching = repeat(look, {
    every: LOOK_EVERY,
    pauses: PAUSES,
    signal: stopping.signal,
    onError,
    onRecovered: () => log.info({}, 'takes duels further again'),
  });
  return async () => {
    stopping.abort();
    await watching;
  };
}

/**
 * Does work for each of some records. One that fails waits longer and longer, and delays no other.
 *
 * @throws an outage's error, which all of them would meet
 */
function eachApart(
  work: (id: string) => Promise<void>,
  onError: (error: unknown) => void,
): (ids: readonly string[]) => Promise<void> {
  const tell = oncePerState(onError);
  let failing = new Map<string, { readonly backoff: Backoff; readonly until: number }>();
  return async (ids) => {
    failing = new Map([...failing].filter(([id]) => ids.includes(id)));
    for (const id of ids) {
      const state = failing.get(id);
      if (state !== undefined && performance.now() < state.until) continue;
      try {
        await work(id);
        failing.delete(id);
      } catch (error) {
        if (isOutage(error)) throw error;
        const backoff = state?.backoff ?? new Backoff(PAUSES);
        failing.set(id, { backoff, until: performance.now() + backoff.next() });
        tell(error);
      }
    }
  };
}
