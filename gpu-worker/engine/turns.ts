/**
 * @file Who uses the device: one at a time, in order of rank, then of arrival. Long work asks for a turn again and
 * again, so that what ranks before it never waits for longer than a step. It knows nothing of what the work is.
 */
import { setImmediate as nextLoop } from 'node:timers/promises';

export interface Place {
  /**
   * Ends the turn before, if any, and resolves when the next one begins.
   * @throws the signal's reason when it aborts
   */
  turn(signal: AbortSignal): Promise<void>;
  /** Gives the place up, and its turn. */
  leave(): void;
}

interface Entry {
  readonly rank: number;
  /** Starts its turn; null while it is not waiting for one. */
  start: (() => void) | null;
}

export class Turns {
  readonly #line: Entry[] = [];
  #holder: Entry | null = null;

  /** Takes a place in the line, behind everything of this or a lower rank. Lower ranks go first. */
  enter(rank: number): Place {
    const entry: Entry = { rank, start: null };
    const behind = this.#line.findIndex((other) => other.rank > rank);
    this.#line.splice(behind < 0 ? this.#line.length : behind, 0, entry);
    const giveUp = (): void => {
      if (this.#holder === entry) this.#holder = null;
      this.#next();
    };
    return {
      turn: async (signal) => {
        giveUp();
        // Messages that came meanwhile are read: new work, cancellations.
        await nextLoop();
        signal.throwIfAborted();
        await new Promise<void>((resolve, reject) => {
          const abort = (): void => {
            entry.start = null;
            reject(signal.reason as Error);
          };
          signal.addEventListener('abort', abort, { once: true });
          entry.start = () => {
            signal.removeEventListener('abort', abort);
            resolve();
          };
          this.#next();
        });
      },
      leave: () => {
        this.#line.splice(this.#line.indexOf(entry), 1);
        giveUp();
      },
    };
  }

  #next(): void {
    const [first] = this.#line;
    if (this.#holder !== null || !first?.start) return;
    const { start } = first;
    first.start = null;
    this.#holder = first;
    start();
  }
}
