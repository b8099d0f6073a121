/** @file Runs work one after the other by key: events of one channel keep their order, other channels do not wait. */

export class Lanes {
  readonly #ends = new Map<string, Promise<unknown>>();

  /** Runs `work` after all earlier work of this key, whether or not that failed. */
  run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const result = (this.#ends.get(key) ?? Promise.resolve()).then(work);
    const end = result
      .catch(() => undefined)
      .then(() => {
        if (this.#ends.get(key) === end) this.#ends.delete(key);
      });
    this.#ends.set(key, end);
    return result;
  }

  /** Whether work of this key is waiting or under way. */
  isBusy(key: string): boolean {
    return this.#ends.has(key);
  }

  /** Resolves when all work so far is done. */
  async idle(): Promise<void> {
    await Promise.all(this.#ends.values());
  }
}
