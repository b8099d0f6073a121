/**
 * @file What counts against a job: failed tries and crashes of workers since it last got further. It stays with the job, so
 * that it outlives each worker, and apart from the job's data, which whoever cancels the job writes.
 */
import { isJsonObject } from '../../core/json-object.ts';
import type { JobKind } from '../../core/job-payloads.ts';
import type { KindJob } from './bullmq-backend.ts';

/** Tries in a row that fail with a retryable error without getting any further. */
export const MAX_TRIES = 3;

interface Counts {
  /** Failed tries since the job last got further. */
  readonly tries: number;
  /** Crashes up to there. */
  readonly crashes: number;
  /** Starts that count as no attempt. */
  readonly again: number;
}

/** A job that has stood in the queue since an earlier release has none of them. */
function countsOf({ progress }: Pick<KindJob<JobKind>, 'progress'>): Counts {
  const stored = isJsonObject(progress) ? progress : {};
  const count = (value: unknown): number => (typeof value === 'number' ? value : 0);
  return { tries: count(stored.tries), crashes: count(stored.crashes), again: count(stored.again) };
}

/** Of a job that runs. */
export class Standing<K extends JobKind> {
  readonly #job: KindJob<K>;
  #counts: Counts;
  #written: Promise<void> = Promise.resolve();

  constructor(job: KindJob<K>) {
    this.#job = job;
    this.#counts = countsOf(job);
  }

  /** 1 for the first start. */
  get attempt(): number {
    return this.#job.attemptsStarted - this.#counts.again;
  }

  /** Failed tries since it last got further. */
  get tries(): number {
    return this.#counts.tries;
  }

  /** Workers that have crashed with it since it last got further. */
  get crashes(): number {
    return Math.max(0, this.#job.stalledCounter - this.#counts.crashes);
  }

  /** Whether another failed try is the last. */
  get isLastTry(): boolean {
    return this.tries + 1 >= MAX_TRIES;
  }

  /** It got further: nothing from before counts against it any more. Writes only where something did. */
  async advance(): Promise<void> {
    if (this.tries > 0 || this.crashes > 0)
      await this.#write({ ...this.#counts, tries: 0, crashes: this.#job.stalledCounter });
  }

  /** Counts a failed try. */
  countTry(): Promise<void> {
    return this.#write({ ...this.#counts, tries: this.tries + 1 });
  }

  /** This start counts as no attempt. */
  discount(): Promise<void> {
    return this.#write({ ...this.#counts, again: this.#counts.again + 1 });
  }

  /** One write after another: connections of a pool can pass each other. */
  #write(counts: Counts): Promise<void> {
    this.#counts = counts;
    const before = this.#written.catch(() => undefined);
    this.#written = before.then(() => this.#job.updateProgress({ ...counts }));
    return this.#written;
  }
}
