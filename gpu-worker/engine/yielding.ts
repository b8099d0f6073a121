/**
 * @file Work that ends while more urgent work is there, rather than only waiting between two steps: it then holds no
 * memory, which may not be enough for both. It must be able to resume.
 */
import { EventEmitter, once } from 'node:events';

export class Yielding {
  readonly #changes = new EventEmitter();
  #urgent = 0;

  /** Runs urgent work: the other ends at once, and begins again after it. */
  async urgent<T>(work: () => Promise<T>): Promise<T> {
    this.#urgent += 1;
    this.#changes.emit('urgent');
    try {
      return await work();
    } finally {
      this.#urgent -= 1;
      if (this.#urgent === 0) this.#changes.emit('free');
    }
  }

  /**
   * Runs work while nothing urgent is there: again, as often as it had to end for that.
   *
   * @param work - gets a signal that aborts when it must end; it then throws, and must go on where it stopped
   * @param onWait - before each time that it has to wait
   * @throws what the work throws otherwise; the signal's reason when it aborts
   */
  async run<T>(
    work: (signal: AbortSignal) => Promise<T>,
    signal: AbortSignal,
    onWait: () => void = () => {},
  ): Promise<T> {
    for (;;) {
      while (this.#urgent > 0) {
        onWait();
        await once(this.#changes, 'free', { signal }).catch((error: unknown) => {
          signal.throwIfAborted();
          throw error;
        });
      }
      const yields = new AbortController();
      const end = (): void => yields.abort(new Error('more urgent work has come'));
      this.#changes.once('urgent', end);
      try {
        return await work(AbortSignal.any([signal, yields.signal]));
      } catch (error) {
        signal.throwIfAborted();
        if (!yields.signal.aborted) throw error;
      } finally {
        this.#changes.off('urgent', end);
      }
    }
  }
}
