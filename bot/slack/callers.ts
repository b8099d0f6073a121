/**
 * @file Who has just asked for something in a channel. When the message that answers them cannot be posted there,
 * they are told, each of them alone and once.
 */
import type { Caller } from './answers.ts';

/** How long a caller waits for a message of ours, ms. */
const WAITS = 10 * 60_000;
const MOST = 20;

export class Callers {
  readonly #waiting = new Map<string, Caller[]>();

  note(caller: Caller): void {
    const others = this.#fresh(caller.channelId);
    this.#waiting.delete(caller.channelId);
    this.#waiting.set(caller.channelId, [...others, caller].slice(-MOST));
    if (this.#waiting.size > 1_000) this.#waiting.delete(this.#waiting.keys().next().value!);
  }

  /** True when somebody was heard of in the channel just now: then it is there. */
  isAlive(channelId: string): boolean {
    return this.#fresh(channelId).length > 0;
  }

  /** Those who wait there and have not been told yet; the next call does not give them again. */
  takeAll(channelId: string): Caller[] {
    const callers = this.#fresh(channelId);
    this.#waiting.delete(channelId);
    // One address a member is enough.
    return [...new Map(callers.map((caller) => [caller.userId, caller])).values()];
  }

  #fresh(channelId: string): Caller[] {
    return (this.#waiting.get(channelId) ?? []).filter(({ at }) => at > Date.now() - WAITS);
  }
}
