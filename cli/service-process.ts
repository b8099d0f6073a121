/** @file Runs `krona bot` or `krona worker` as a child process, and restarts it whenever it dies. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Logger } from 'pino';
import { childEnvironment } from '../core/environment.ts';
import { KronaError } from '../core/errors.ts';
import { Backoff } from '../core/backoff.ts';
import { nodeOptions, ownProgram } from '../core/own-program.ts';

/** Longest wait before the first restart and before any, ms. It is short again once a process has run for LONG_LIFE. */
const FIRST_WAIT = 1000;
const LONGEST_WAIT = 60_000;
const LONG_LIFE = 60_000;

/** A process that was told to stop has so long to end, ms. */
const LONGEST_STOP = 7_000;

export interface ServiceSettings {
  readonly command: 'bot' | 'worker';
  readonly log: Logger;
  /** Stops the process when it aborts. */
  readonly signal: AbortSignal;
  /** Options of Node, in addition to those of this process. */
  readonly nodeOptions?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export class ServiceProcess {
  readonly #settings: ServiceSettings;
  /** Output of the first start, or the error. */
  readonly #ready: Promise<object>;
  #resolve!: (said: object) => void;
  #reject!: (error: KronaError) => void;
  #env: Readonly<Record<string, string>>;
  #child: ChildProcess | null = null;
  /** The first start was successful. */
  #served = false;
  /** The process that runs has said that it is ready. */
  #isReady = false;
  readonly #backoff = new Backoff({ first: FIRST_WAIT, longest: LONGEST_WAIT });
  #timer: NodeJS.Timeout | undefined;
  #stopping: Promise<void> | null = null;

  constructor(settings: ServiceSettings) {
    this.#settings = settings;
    this.#env = settings.env ?? {};
    this.#ready = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#ready.catch(() => undefined); // nobody might be waiting
    const { signal } = settings;
    signal.addEventListener('abort', () => void this.stop());
    if (signal.aborted) void this.stop();
    else this.#start();
  }

  /**
   * The object that the process prints when it is ready.
   *
   * @throws KronaError with its own code when the first start fails; CANCELLED when it is stopped before it is ready
   */
  ready(): Promise<object> {
    return this.#ready;
  }

  /** Adds to the environment of restarts, e.g. the port of the first start. */
  keep(env: Readonly<Record<string, string>>): void {
    this.#env = { ...this.#env, ...env };
  }

  /** Stops the process at the end of its current step; at once when it is not ready yet, as then it does nothing. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#reject(new KronaError('CANCELLED', 'Cancelled.'));
    clearTimeout(this.#timer);
    const child = this.#child;
    if (child === null) return;
    const ended = once(child, 'exit');
    // A service stops when this channel closes (cli/output.ts).
    if (this.#isReady && child.connected) child.disconnect();
    const late = setTimeout(() => child.kill('SIGKILL'), this.#isReady ? LONGEST_STOP : 0);
    await ended;
    clearTimeout(late);
  }

  #start(): void {
    const { command, log, nodeOptions: more = [] } = this.#settings;
    const child = fork(ownProgram(import.meta.dirname, 'krona'), [command, '--json'], {
      execArgv: [...nodeOptions, ...more],
      env: childEnvironment(command, this.#env),
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
      // In its own process group, so that Ctrl-C reaches only this process.
      detached: true,
    });
    this.#child = child;
    this.#isReady = false;
    log.info({ pid: child.pid }, `starting the ${command}`);
    const began = performance.now();
    createInterface({ input: child.stdout! }).once('line', (line) => this.#heard(line));
    child.once('exit', (code, signal) => {
      this.#child = null;
      if (this.#stopping !== null) return;
      if (!this.#served && command === 'bot') {
        // A restart does not help: a port that is taken stays taken.
        this.#reject(
          new KronaError(
            'SERVICE_ENDED',
            `The ${command} stopped before it was ready (${code ?? signal}). Its log says why.`,
          ),
        );
        return;
      }
      if (performance.now() - began > LONG_LIFE) this.#backoff.reset();
      const wait = this.#backoff.next();
      log.error(
        { code, signal },
        `the ${command} stopped unexpectedly; restarting in ${Math.round(wait / 100) / 10} s`,
      );
      this.#timer = setTimeout(() => this.#start(), wait);
    });
  }

  #heard(line: string): void {
    const said = JSON.parse(line) as { error?: { code: string; message: string } };
    if (said.error) {
      this.#reject(KronaError.reported(said.error));
      if (this.#settings.command === 'worker')
        this.#settings.log.error(said.error, 'the worker cannot start');
    } else {
      this.#served = true;
      this.#isReady = true;
      this.#resolve(said);
    }
  }
}
