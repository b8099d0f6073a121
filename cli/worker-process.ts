/** @file Keeps a `krona worker` running beside the bot: started again when it dies, whatever it dies of. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';

/** Wait before the next start, ms: doubled after each death, and short again when a worker has lived for a while. */
const FIRST_WAIT = 1000;
const LONGEST_WAIT = 60_000;
const LONG_LIFE = 60_000;

export class WorkerProcess {
  readonly #log: Logger;
  #child: ChildProcess | null = null;
  #wait = FIRST_WAIT;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(log: Logger) {
    this.#log = log;
    this.#start();
  }

  /** Lets the worker give its jobs back, which takes as long as the step under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    const child = this.#child;
    if (child === null) return;
    const ended = once(child, 'exit');
    // A worker takes the loss of this channel as the order to end.
    if (child.connected) child.disconnect();
    await ended;
  }

  #start(): void {
    const child = fork(fileURLToPath(new URL('./krona.ts', import.meta.url)), ['worker'], {
      // Its stdout would mix with ours. A group of its own: Ctrl-C on the terminal is for us to pass on.
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      detached: true,
    });
    this.#child = child;
    this.#log.info({ pid: child.pid }, 'the worker starts');
    const began = performance.now();
    child.once('exit', (code, signal) => {
      this.#child = null;
      if (this.#stopped) return;
      if (performance.now() - began > LONG_LIFE) this.#wait = FIRST_WAIT;
      this.#log.error({ code, signal }, `the worker ended; the next one starts in ${this.#wait / 1000} s`);
      this.#timer = setTimeout(() => this.#start(), this.#wait);
      this.#wait = Math.min(2 * this.#wait, LONGEST_WAIT);
    });
  }
}
