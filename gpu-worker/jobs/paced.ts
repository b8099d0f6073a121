/** @file Writes a state that changes often at most once per interval, one write at a time. */

export class Paced {
  readonly #write: () => Promise<void>;
  readonly #interval: number;
  #lastWrite = -Infinity;
  #timer: NodeJS.Timeout | null = null;
  #writing: Promise<void> | null = null;
  #changed = false;

  /**
   * @param write writes the state of that moment; must not reject
   * @param interval least time between two writes, ms
   */
  constructor(write: () => Promise<void>, interval: number) {
    this.#write = write;
    this.#interval = interval;
  }

  /** Call after a change: the state is written at once, or when the interval is over. */
  touch(): void {
    this.#changed = true;
    if (this.#timer !== null || this.#writing !== null) return;
    const wait = Math.max(0, this.#lastWrite + this.#interval - performance.now());
    this.#timer = setTimeout(() => this.#start(), wait);
  }

  /** Writes the last change at once, if it is not written yet. */
  async finish(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const pending = this.#changed;
    this.#changed = false;
    await this.#writing;
    if (pending) await this.#write();
  }

  #start(): void {
    this.#timer = null;
    this.#changed = false;
    this.#lastWrite = performance.now();
    this.#writing = this.#write().finally(() => {
      this.#writing = null;
      if (this.#changed) this.touch();
    });
  }
}
