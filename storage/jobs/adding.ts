/** @file Adds jobs to a queue at the places that their turns give them. */
import { JOB_VERSION, type JobKind, type JobOwner, type JobPayloads } from '../../core/job-payloads.ts';
import type { OwnedJob } from '../../core/records.ts';
import type { KindQueue } from './bullmq-backend.ts';
import { MAX_TRIES } from './standing.ts';
import { FIRST_ROUND, Order, type Placed } from './turns.ts';

/** Pause of BullMQ's own tries, ms: those that a worker could not put off by itself (bullmq-worker.ts). */
const RETRY_PAUSE = 1000;

/** Finished jobs are kept for a week, so that adding one of them again does nothing. */
const KEEP_ENDED = { age: 7 * 24 * 3600 };

/** States of a job that waits, in the order in which they run. */
export const WAITING = ['waiting', 'prioritized', 'delayed'] as const;

interface AddedJob<K extends JobKind> extends Pick<OwnedJob, 'id' | 'owner'> {
  readonly payload: JobPayloads[K];
}

/** Jobs without an owner share their turns. */
const ownerOf = (owner: JobOwner | null): JobOwner => ({
  channelId: owner?.channelId ?? '',
  memberId: owner?.memberId ?? '',
});

export class JobAdder<K extends JobKind> {
  readonly #queue: KindQueue<K>;
  readonly #kind: K;
  readonly #version: number;
  /** The unfinished jobs of the last look. A job's turn doesn't change, so only new ones are read. */
  #known: ReadonlyMap<string, Placed> = new Map();

  constructor(queue: KindQueue<K>, kind: K, version = JOB_VERSION) {
    this.#queue = queue;
    this.#kind = kind;
    this.#version = version;
  }

  /** Adds jobs in their order, without those that the queue knows. */
  async add(jobs: readonly AddedJob<K>[]): Promise<void> {
    const queue = this.#queue;
    const known = await Promise.all(jobs.map(({ id }) => queue.getJob(id)));
    const payloads = new Map(
      jobs.flatMap(({ id, payload }, n) => (known[n] ? [] : [[id, payload] as const])),
    );
    if (payloads.size === 0) return;
    const order = new Order(await this.#look());
    for (const { id, owner } of jobs) if (payloads.has(id)) order.place(id, ownerOf(owner));
    const { added, moved } = order.changes();
    // Those behind first, so that no job is ever in a round of another of its channel.
    for (const { id, round } of moved.toSorted((one, other) => other.round - one.round)) {
      const job = await queue.getJob(id);
      // One that has come back from a dead worker meanwhile stays before all.
      if (job && job.priority >= FIRST_ROUND) await job.changePriority({ priority: round });
    }
    await queue.addBulk(
      added.flatMap(({ id, owner, turn, round }) => {
        const payload = payloads.get(id);
        if (payload === undefined) return [];
        const opts = {
          jobId: id,
          priority: round,
          attempts: MAX_TRIES,
          backoff: { type: 'exponential', delay: RETRY_PAUSE },
          removeOnComplete: KEEP_ENDED,
          removeOnFail: KEEP_ENDED,
        };
        return { name: this.#kind, data: { payload, owner, turn, version: this.#version }, opts };
      }),
    );
    this.#known = new Map([...this.#known, ...[...moved, ...added].map((job) => [job.id, job] as const)]);
  }

  /** The unfinished jobs, the waiting ones in their order. */
  async #look(): Promise<readonly Placed[]> {
    const waiting = await this.#queue.getRanges([...WAITING], 0, -1, true);
    const active = new Set(await this.#queue.getRanges(['active'], 0, -1));
    const found = new Map<string, Placed>();
    for (const id of [...waiting.filter((each) => !active.has(each)), ...active]) {
      const job = this.#known.get(id) ?? (await this.#read(id));
      if (job) found.set(id, { ...job, active: active.has(id) });
    }
    this.#known = found;
    return [...found.values()];
  }

  async #read(id: string): Promise<Omit<Placed, 'active'> | null> {
    const job = await this.#queue.getJob(id);
    return job ? { id, owner: job.data.owner, turn: job.data.turn, round: job.priority } : null;
  }
}
