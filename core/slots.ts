/** @file Work of which only so much runs at once. */

export class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  /** @param count - how much runs at once */
  constructor(count: number) {
    this.#free = count;
  }

  /** Starts work when its turn comes, in order of arrival. It keeps its slot until it ends, even if nobody waits for it any longer. */
  async start<T>(begin: () => Promise<T>): Promise<{ readonly work: Promise<T> }> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    // Also work that fails before its first wait leaves its slot.
    const work = (async () => begin())();
    const leave = () => this.#leave();
    work.then(leave, leave);
    return { work };
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}
