/** @file Tells the others that a worker is there: a heartbeat with what it holds and does. Hears that it is to drain. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { JobKind } from '../../core/job-payloads.ts';
import type { Log } from '../../core/log.ts';
import { oncePerState } from '../../core/retrying.ts';
import { HEARTBEAT, type WorkerFacts, type WorkerJob, type WorkerRecord } from '../../core/workers.ts';
import type { JobHandler } from '../../storage/jobs/contract.ts';
import type { RecordStore } from '../../storage/records.ts';
import { Paced } from './paced.ts';

/** Least time between two heartbeats, ms: what a worker does can change often. */
const PACE = 1_000;
/** What is known of the others is asked again after this time, ms. */
const FRESH = 1_000;

interface PresenceOptions {
  readonly records: Pick<RecordStore, 'saveWorker' | 'workers' | 'removeWorker'>;
  /** What stays as it is. */
  readonly identity: Omit<WorkerFacts, 'doing' | 'state' | 'adapters' | 'models'>;
  readonly models: () => readonly string[];
  readonly adapters: () => readonly string[];
  /** Somebody wants this worker to drain; called once. */
  readonly onDrain: () => void;
  readonly log: Log;
}

export class Presence {
  readonly #options: PresenceOptions;
  readonly #doing = new Set<WorkerJob>();
  readonly #stopping = new AbortController();
  readonly #beats: Paced;
  #state: WorkerFacts['state'] = 'working';
  #drains = false;
  #known: { readonly at: number; readonly workers: Promise<readonly WorkerRecord[]> } | null = null;

  constructor(options: PresenceOptions) {
    this.#options = options;
    const failed = oncePerState((error) =>
      options.log.warn({ error }, 'could not tell that this worker runs'),
    );
    this.#beats = new Paced(() => this.#beat().catch(failed), PACE);
  }

  get facts(): WorkerFacts {
    const { identity, models, adapters } = this.#options;
    return {
      ...identity,
      models: models(),
      adapters: adapters(),
      doing: [...this.#doing],
      state: this.#state,
    };
  }

  set state(state: WorkerFacts['state']) {
    this.#state = state;
    this.#beats.touch();
  }

  /** The first heartbeat; others follow until `stop`. @throws KronaError DATABASE_* */
  async start(): Promise<void> {
    await this.#beat();
    void this.#repeat();
  }

  /** A handler whose jobs count as under way here. */
  during<K extends JobKind>(kind: K, handler: JobHandler<K>): JobHandler<K> {
    return async (job) => {
      const doing = { kind, id: job.id };
      this.#doing.add(doing);
      this.#beats.touch();
      try {
        await handler(job);
      } finally {
        this.#doing.delete(doing);
        this.#beats.touch();
      }
    };
  }

  /** All other workers, as they were about a second ago at most. */
  async others(): Promise<readonly WorkerRecord[]> {
    const now = performance.now();
    if (this.#known === null || now - this.#known.at > FRESH)
      this.#known = { at: now, workers: this.#options.records.workers() };
    const { id } = this.#options.identity;
    return (await this.#known.workers).filter((worker) => worker.id !== id);
  }

  /** The worker leaves: nobody waits for its heartbeat. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#beats.finish();
    const { records, identity, log } = this.#options;
    await records.removeWorker(identity.id).catch((error: unknown) => {
      log.warn({ error }, 'could not tell that this worker stops');
    });
  }

  async #beat(): Promise<void> {
    const { drain } = await this.#options.records.saveWorker(this.facts);
    if (!drain || this.#drains) return;
    this.#drains = true;
    this.#options.onDrain();
  }

  async #repeat(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await sleep(HEARTBEAT, undefined, { signal }).catch(() => {});
      if (!signal.aborted) this.#beats.touch();
    }
  }
}
