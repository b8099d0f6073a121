/**
 * @file Shares the device: one user at a time, by rank, then by arrival. Long work asks for a turn before every step, so
 * that users of a lower rank number never wait longer than a step.
 */
import { setImmediate as nextLoop } from 'node:timers/promises';

export interface Place {
  /**
   * Ends the current turn, if any, and resolves when the next one starts.
   * @throws the signal's reason when it aborts
   */
  turn(signal: AbortSignal): Promise<void>;
  /** Leaves the line, and ends the turn. */
  leave(): void;
}

interface Entry {
  readonly rank: number;
  readonly onTurn: () => void;
  /** Starts its turn; null unless it waits for one. */
  start: (() => void) | null;
}

export class Turns {
  readonly #line: Entry[] = [];
  #holder: Entry | null = null;

  /**
   * Joins the line, behind everything of this or a lower rank number. Lower numbers go first.
   *
   * @param onTurn - called when a turn begins
   */
  enter(rank: number, onTurn: () => void = () => {}): Place {
    const entry: Entry = { rank, onTurn, start: null };
    const behind = this.#line.findIndex((other) => other.rank > rank);
    this.#line.splice(behind < 0 ? this.#line.length : behind, 0, entry);
    const giveUp = (): void => {
      if (this.#holder === entry) this.#holder = null;
      this.#next();
    };
    return {
      turn: async (signal) => {
        giveUp();
        // Lets waiting messages in: new work, cancellations.
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
    first.onTurn();
    start();
  }
}
