/** @file Keeps the most recently used sessions, so that a repeated request compiles nothing. */

interface Releasable {
  release(): Promise<void>;
}

export class SessionCache<T extends Releasable> {
  readonly #entries = new Map<string, T>();
  readonly #capacity: number;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /**
   * The session of `key`, opened if it isn't kept; the least recently used one makes room.
   *
   * @param alone - release all others first, as the device holds no two
   */
  async get(key: string, open: () => Promise<T>, alone = false): Promise<T> {
    const known = this.#entries.get(key);
    if (known) {
      this.#entries.delete(key);
      this.#entries.set(key, known);
      return known;
    }
    if (alone) await this.release();
    const opened = await open();
    this.#entries.set(key, opened);
    for (const [oldest, session] of [...this.#entries].slice(0, -this.#capacity)) {
      this.#entries.delete(oldest);
      await session.release();
    }
    return opened;
  }

  async release(): Promise<void> {
    for (const session of this.#entries.values()) await session.release();
    this.#entries.clear();
  }
}
