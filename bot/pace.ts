/** @file How fast a member can act where strangers reach the chat: messages fill the database, and each has its cost. */
import { KronaError } from '../core/errors.ts';
import { RecentMap } from '../core/recent.ts';

/** Acts of one kind at once, and how many more each second. */
const AT_ONCE = 30;
const PER_SECOND = 0.5;
/** Members that are remembered: of those who were not here for long, nothing is left to count. */
const MOST_REMEMBERED = 10_000;

interface Allowance {
  readonly left: number;
  /** ms of the monotonic clock. */
  readonly at: number;
}

export class Pace {
  readonly #allowances = new RecentMap<string, Allowance>(MOST_REMEMBERED);
  readonly #now: () => number;

  /** @param now - a monotonic clock, ms */
  constructor(now = () => performance.now()) {
    this.#now = now;
  }

  /**
   * Counts one act.
   *
   * @param who - a member, with the kind of act where that counts by itself
   * @param cost - of the act, 1 by default: of acts that cost a tenth, ten times as many are allowed
   * @throws KronaError TOO_FAST
   */
  count(who: string, cost = 1): void {
    const now = this.#now();
    const { left, at } = this.#allowances.get(who) ?? { left: AT_ONCE, at: now };
    const refilled = Math.min(AT_ONCE, left + (PER_SECOND * (now - at)) / 1_000);
    if (refilled < cost)
      throw new KronaError('TOO_FAST', 'You are sending too fast. Wait some seconds, then try again.', {
        retryable: true,
      });
    this.#allowances.set(who, { left: refilled - cost, at: now });
  }
}
