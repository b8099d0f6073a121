/**
 * @file How long to wait after a 429. The library reads the header Retry-After alone, and repeats a request without a
 * pause where it is missing, as in answers of a proxy in between.
 * https://docs.discord.com/developers/topics/rate-limits
 */
import type { Log } from '../../core/log.ts';
import { pauseAfter } from '../../core/backoff.ts';

const UNSTATED = { first: 1_000, longest: 60_000 };
/** The least pause: Discord sometimes says 0, ms. */
const LEAST = 250;
/** The longest pause, s. A timer that is set for more than 24 days ends at once, so the library would not wait at all. */
const LONGEST = 3_600;
/** The header with the time until a route can be used again, s. */
const RESET = 'x-ratelimit-reset-after';

/** Headers of an answer, with a time that the library can wait for. */
export function waitable(headers: Headers): Headers {
  const reset = Number(headers.get(RESET) ?? 0);
  if (reset > LONGEST) headers.set(RESET, String(LONGEST));
  return headers;
}

export class RateLimits {
  readonly #log: Log | null;
  /** Limits in a row that did not say how long they last. */
  #unstated = 0;

  /** @param log - told once when limits come without a time, until a request succeeds */
  constructor(log: Log | null) {
    this.#log = log;
  }

  /** A request was not limited. */
  passed(): void {
    this.#unstated = 0;
  }

  /**
   * Seconds to wait after a limited request: as its header or body says, an hour at most; else growing.
   *
   * @param header - of Retry-After: seconds or a date (RFC 9110 §10.2.3)
   * @param body - of the answer
   */
  pause(header: string | null, body: string): number {
    const stated = statedSeconds(header) ?? statedSeconds(/"retry_after":\s*([\d.]+)/.exec(body)?.[1]);
    if (stated !== null) return Math.min(LONGEST, Math.max(LEAST / 1000, stated));
    this.#unstated += 1;
    if (this.#unstated === 1)
      this.#log?.warn(
        {},
        'Discord limits requests without saying for how long; Krona waits longer each time',
      );
    return pauseAfter(this.#unstated, UNSTATED) / 1000;
  }
}

function statedSeconds(text: string | null | undefined): number | null {
  if (text === null || text === undefined || text.trim() === '') return null;
  const seconds = Number(text);
  if (Number.isFinite(seconds)) return seconds >= 0 ? seconds : null;
  const date = Date.parse(text);
  return Number.isNaN(date) ? null : Math.max(0, (date - Date.now()) / 1000);
}
