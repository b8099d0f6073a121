/** @file Keeps a `krona bot` or `krona worker` running as a process of its own: started again whatever it dies of. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Logger } from 'pino';
import { KronaError } from '../core/errors.ts';
import { nodeOptions, ownProgram } from '../core/own-program.ts';

/** Wait before the next start, ms: doubled after each death, and short again when a process has lived for a while. */
const FIRST_WAIT = 1000;
const LONGEST_WAIT = 60_000;
const LONG_LIFE = 60_000;

export interface ServiceSettings {
  readonly command: 'bot' | 'worker';
  readonly log: Logger;
  /** Node's own options, such as a limit of memory. */
  readonly nodeOptions?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export class ServiceProcess {
  readonly #settings: ServiceSettings;
  /** What the first start printed, or why it could not. */
  readonly #ready: Promise<object>;
  #resolve!: (said: object) => void;
  #reject!: (error: KronaError) => void;
  #env: Readonly<Record<string, string>>;
  #child: ChildProcess | null = null;
  #served = false;
  #wait = FIRST_WAIT;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(settings: ServiceSettings) {
    this.#settings = settings;
    this.#env = settings.env ?? {};
    this.#ready = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#ready.catch(() => undefined); // nobody may be waiting
    this.#start();
  }

  /**
   * The object that the process prints when it serves.
   * @throws KronaError with its own code when the first start fails
   */
  ready(): Promise<object> {
    return this.#ready;
  }

  /** Environment of later starts, e.g. the port that the first was given. */
  keep(env: Readonly<Record<string, string>>): void {
    this.#env = { ...this.#env, ...env };
  }

  /** Lets the process end its work, which takes as long as the step under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    const child = this.#child;
    if (child === null) return;
    const ended = once(child, 'exit');
    // A service takes the loss of this channel as the order to end (cli/output.ts).
    if (child.connected) child.disconnect();
    await ended;
  }

  #start(): void {
    const { command, log, nodeOptions: more = [] } = this.#settings;
    const child = fork(ownProgram(import.meta.dirname, 'krona'), [command, '--json'], {
      execArgv: [...nodeOptions, ...more],
      env: { ...process.env, ...this.#env },
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
      // A group of its own: Ctrl-C on the terminal is for us to pass on.
      detached: true,
    });
    this.#child = child;
    log.info({ pid: child.pid }, `the ${command} starts`);
    const began = performance.now();
    createInterface({ input: child.stdout! }).once('line', (line) => this.#heard(line));
    child.once('exit', (code, signal) => {
      this.#child = null;
      if (this.#stopped) return;
      if (!this.#served && command === 'bot') {
        // Nothing to wait for: a port that is taken, say, stays taken.
        this.#reject(
          new KronaError('SERVICE_ENDED', `The ${command} ended before it served (${code ?? signal}).`),
        );
        return;
      }
      if (performance.now() - began > LONG_LIFE) this.#wait = FIRST_WAIT;
      log.error({ code, signal }, `the ${command} ended; the next one starts in ${this.#wait / 1000} s`);
      this.#timer = setTimeout(() => this.#start(), this.#wait);
      this.#wait = Math.min(2 * this.#wait, LONGEST_WAIT);
    });
  }

  #heard(line: string): void {
    const said = JSON.parse(line) as { error?: { code: string; message: string } };
    if (said.error) {
      this.#reject(new KronaError(said.error.code, said.error.message));
      if (this.#settings.command === 'worker') this.#settings.log.error(said.error, 'the worker cannot work');
    } else {
      this.#served = true;
      this.#resolve(said);
    }
  }
}
