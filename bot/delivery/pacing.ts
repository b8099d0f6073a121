/** @file When each message may be shown next: after its edit interval, or after a pause that grows with failures. */

import { pauseAfter } from '../../core/backoff.ts';

/** Pauses after failures. */
const PAUSES = { first: 1_000, longest: 60_000 };
/** The same where the bot isn't allowed to post: it waits for somebody to grant the permission. */
const FORBIDDEN_PAUSES = { first: 5_000, longest: 10 * 60_000 };

interface Pace {
  /** The post is left alone until then (ms, monotonic). */
  readonly until: number;
  readonly failures: number;
  /** When the first of these failures was; without any, when the post was shown. */
  readonly since: number;
}

export interface Failing {
  /** Until the next try, ms. */
  readonly pause: number;
  /** How long the post has been failing, ms. */
  readonly duration: number;
}

export class Pacing {
  readonly #paces = new Map<string, Pace>();

  /** Posts that wait for their turn. */
  get waiting(): number {
    return this.#paces.size;
  }

  /** Forgets intervals that are over. */
  sweep(): void {
    const now = performance.now();
    for (const [id, { until, failures }] of this.#paces)
      if (until <= now && failures === 0) this.#paces.delete(id);
  }

  isDue(id: string): boolean {
    return (this.#paces.get(id)?.until ?? 0) <= performance.now();
  }

  /** Whether the last try to show a post failed. */
  isFailing(id: string): boolean {
    return (this.#paces.get(id)?.failures ?? 0) > 0;
  }

  /** A post was shown. @param interval - milliseconds until it may be shown again */
  shown(id: string, interval: number): void {
    const since = performance.now();
    this.#paces.set(id, { until: since + interval, failures: 0, since });
  }

  /** A post could not be shown. @param forbidden - the bot isn't allowed to post there */
  failed(id: string, forbidden: boolean): Failing {
    const last = this.#paces.get(id);
    const now = performance.now();
    const failures = (last?.failures ?? 0) + 1;
    const since = last !== undefined && last.failures > 0 ? last.since : now;
    const pause = pauseAfter(failures, forbidden ? FORBIDDEN_PAUSES : PAUSES);
    this.#paces.set(id, { until: now + pause, failures, since });
    return { pause, duration: now - since };
  }

  /** Shortens the interval of a post that was shown. @param interval - milliseconds since it was shown */
  shorten(id: string, interval: number): void {
    const pace = this.#paces.get(id);
    if (pace?.failures === 0)
      this.#paces.set(id, { ...pace, until: Math.min(pace.until, pace.since + interval) });
  }

  forget(id: string): void {
    this.#paces.delete(id);
  }
}
