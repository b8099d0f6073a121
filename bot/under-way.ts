/** @file Work that nobody waits for until the bot stops. */

export class UnderWay {
  readonly #work = new Set<Promise<unknown>>();
  readonly #keys = new Set<string>();
  readonly #onError: (error: unknown) => void;

  /** @param onError - told of work that fails; nothing by default */
  constructor(onError: (error: unknown) => void = () => undefined) {
    this.#onError = onError;
  }

  /** How many pieces of work are under way. */
  get size(): number {
    return this.#work.size;
  }

  /** Lets work go on in the background. */
  add(work: Promise<unknown>): void {
    const tracked = work.catch(this.#onError).finally(() => this.#work.delete(tracked));
    this.#work.add(tracked);
  }

  /** Begins work, unless work with the same key is under way. */
  once(key: string, work: () => Promise<unknown>): void {
    if (this.#keys.has(key)) return;
    this.#keys.add(key);
    this.add(work().finally(() => this.#keys.delete(key)));
  }

  /** Resolves when nothing is under way, including work that began in the meantime. */
  async idle(): Promise<void> {
    while (this.#work.size > 0) await Promise.all(this.#work);
  }
}
