/** @file Work that events bring, done one after the other; the first failure ends all of it. */

export class InOrder {
  readonly #failure = new AbortController();
  #last: Promise<void> = Promise.resolve();

  /** Aborts with the first error, so that what brings the events ends too. */
  get signal(): AbortSignal {
    return this.#failure.signal;
  }

  add(task: () => Promise<void>): void {
    this.#last = this.#last
      .then(() => {
        if (!this.#failure.signal.aborted) return task();
      })
      .catch((error: unknown) => this.#failure.abort(error));
  }

  /** Resolves when everything is done. @throws what the first failed task threw */
  async done(): Promise<void> {
    await this.#last;
    this.#failure.signal.throwIfAborted();
  }
}
