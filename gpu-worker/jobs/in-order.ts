/** @file Tasks that events bring, run one after the other; the first failure ends all of them. */

export class InOrder {
  readonly #failure = new AbortController();
  #last: Promise<void> = Promise.resolve();

  /** Aborts with the first error, so that the source of the events can stop too. */
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

  /** Resolves when all tasks are done. @throws the error of the first task that failed */
  async done(): Promise<void> {
    await this.#last;
    this.#failure.signal.throwIfAborted();
  }
}
