/** @file Bounded memory: collections that drop their oldest entry when a new one exceeds their size. */

/** A map of at most `most` entries. Setting a key makes it the newest. */
export class RecentMap<K, V> extends Map<K, V> {
  readonly #most: number;

  constructor(most: number) {
    super();
    this.#most = most;
  }

  override set(key: K, value: V): this {
    this.delete(key);
    super.set(key, value);
    for (const oldest of this.keys())
      if (this.size > this.#most) this.delete(oldest);
      else break;
    return this;
  }
}

/** A set of at most `most` values. */
export class RecentSet<T> {
  readonly #values: RecentMap<T, true>;

  constructor(most: number) {
    this.#values = new RecentMap(most);
  }

  /** Adds a value; true when it was not there. */
  add(value: T): boolean {
    const isNew = !this.#values.has(value);
    this.#values.set(value, true);
    return isNew;
  }
}
