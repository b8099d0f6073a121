/** @file What has come already: Slack sends an event again when its acknowledgement was late or lost. */

export class Seen {
  readonly #most: number;
  readonly #keys = new Set<string>();

  /** @param most - keys remembered; the oldest are forgotten */
  constructor(most = 20_000) {
    this.#most = most;
  }

  /** True the first time that a key is given. */
  first(key: string): boolean {
    if (this.#keys.has(key)) return false;
    this.#keys.add(key);
    if (this.#keys.size > this.#most) this.#keys.delete(this.#keys.keys().next().value!);
    return true;
  }
}
