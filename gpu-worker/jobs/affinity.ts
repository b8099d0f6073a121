/**
 * @file Leaves pictures to a worker that has already loaded what they need, for a short time: delay scheduling (Zaharia
 * et al., EuroSys 2010). The order of the queue stays, as only the next job is ever waited for.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { DEFAULT_MODEL } from '../../core/settings/model-card.ts';
import { isTaking, type WorkerFacts, type WorkerRecord } from '../../core/workers.ts';
import type { BeforeTaking } from '../../storage/jobs/contract.ts';
import type { Records } from '../../storage/records.ts';
import { adaptersOf } from '../../storage/set-adapters.ts';

/** Longest wait for a worker that has the model, busy or not, ms: opening a large model takes longer. */
export const MODEL_PATIENCE = 10_000;
/** Longest wait for a free worker that has the adapters, ms: reading one takes about so long from a bucket. */
export const ADAPTER_PATIENCE = 1_000;
/** Pause between two looks, ms. */
const LOOK = 100;

/** What a worker must load for a job. */
export interface Needs {
  /** Name of the model; null: any worker's. */
  readonly model: string | null;
  /** Hashes. */
  readonly adapters: readonly string[];
}

type Holder = Pick<WorkerFacts, 'models' | 'adapters'>;

const hasModel = ({ models }: Holder, { model }: Needs): boolean => model === null || models.includes(model);

const hasAll = (worker: Holder, needs: Needs): boolean =>
  hasModel(worker, needs) && needs.adapters.every((hash) => worker.adapters.includes(hash));

const isFree = ({ doing }: WorkerRecord): boolean => doing.every(({ kind }) => kind !== 'imagine');

/** How long a worker leaves a job to others, ms; 0: it takes it. */
export function patience(needs: Needs, self: Holder, others: readonly WorkerRecord[]): number {
  const taking = others.filter(isTaking);
  if (!hasModel(self, needs)) return taking.some((other) => hasModel(other, needs)) ? MODEL_PATIENCE : 0;
  if (hasAll(self, needs)) return 0;
  return taking.some((other) => isFree(other) && hasAll(other, needs)) ? ADAPTER_PATIENCE : 0;
}

interface AffinityOptions {
  readonly records: Records;
  readonly self: () => Holder;
  readonly others: () => Promise<readonly WorkerRecord[]>;
}

/** Waits before a set of pictures is taken, as long as `patience` says. */
export function leavingToOthers({ records, self, others }: AffinityOptions): BeforeTaking<'imagine'> {
  return async (next, signal) => {
    let first = { id: '', at: 0 };
    while (!signal.aborted) {
      const workers = await others();
      if (!workers.some(isTaking)) return;
      const job = await next();
      if (job === null) return;
      // Another worker has taken the one before: the wait begins anew.
      if (first.id !== job.id) first = { id: job.id, at: performance.now() };
      const needs = await needsOf(job.payload.setId, records);
      if (needs === null || performance.now() - first.at >= patience(needs, self(), workers)) return;
      await sleep(LOOK, undefined, { signal }).catch(() => {});
    }
  };
}

/** null: the set was deleted. */
async function needsOf(setId: string, records: Records): Promise<Needs | null> {
  const set = await records.set(setId);
  if (set === null) return null;
  const adapters = await adaptersOf(set, records);
  // The default is each worker's own.
  const model = set.model === DEFAULT_MODEL ? null : set.model;
  return { model, adapters: adapters.map(({ blobHash }) => blobHash) };
}
