/** @file Output of commands: results on stdout, everything else on stderr, so that `--json` pipes one object. */
import { once } from 'node:events';
import { inspect } from 'node:util';
import type { Command } from 'commander';
import { readEnvironment } from '../core/environment.ts';
import { describeError, KronaError } from '../core/errors.ts';
import { printable } from '../core/format.ts';
import { makeFilesPrivate } from '../core/private-files.ts';
import { ProgressBar, type Stream } from './progress.ts';

export interface Shell {
  readonly stdout: Stream;
  readonly stderr: Stream;
  /** `--json` was given. */
  readonly json: boolean;
  exitCode: number;
}

export interface CommandIo {
  /** Aborts at the first Ctrl-C (SIGINT) or SIGTERM; the second ends the process at once. */
  readonly signal: AbortSignal;
  readonly progress: ProgressBar;
  /** Prints a line on stderr. */
  log(line: string): void;
}

/** A command's result: the object that --json prints, and the same as text. */
export interface Outcome {
  readonly json: object;
  readonly text: string;
  /** Exit code; default 0. */
  readonly exitCode?: number;
}

/** Adds --json and an action to a command. `work` gets the positional arguments, then the options. */
export function action<Args extends unknown[]>(
  command: Command,
  shell: Shell,
  work: (io: CommandIo, ...args: Args) => Promise<Outcome>,
): void {
  bind<Args>(command, shell, async (io, ...args) => {
    const outcome = await work(io, ...args);
    io.progress.end();
    print(shell, outcome);
    shell.exitCode = outcome.exitCode ?? 0;
  });
}

/** A process that runs until it is stopped. */
export interface Service extends Outcome {
  stop(): Promise<void>;
}

/** A service ends so long after it was told to, at the latest, ms; the children of `krona start` are given less. */
const LONGEST_STOP = process.send === undefined ? 8_500 : 6_000;

/**
 * Like `action`, for a server: prints the result of `start` when it is ready, and exits with 0 at Ctrl-C. `start` ends early
 * when the signal aborts.
 */
export function service<Args extends unknown[]>(
  command: Command,
  shell: Shell,
  start: (io: CommandIo, ...args: Args) => Promise<Service>,
): void {
  bind<Args>(command, shell, async (io, ...args) => {
    makeFilesPrivate();
    // `krona start` holds the other end. When it is gone, even by kill -9, nobody is left to serve.
    const leave = () => process.kill(process.pid, 'SIGTERM');
    process.once('disconnect', leave);
    io.signal.addEventListener('abort', () => {
      // Whatever still runs is found again at the next start: jobs in the queue, trainings in their saved state.
      setTimeout(() => process.exit(shell.exitCode), LONGEST_STOP).unref();
    });
    // It may have gone while this program was loading.
    if (process.send !== undefined && !process.connected) leave();
    try {
      const running = await start(io, ...args);
      print(shell, running);
      if (!io.signal.aborted) await once(io.signal, 'abort');
      await running.stop();
    } catch (error) {
      if (!io.signal.aborted) throw error;
    } finally {
      // The listener would keep the process alive, even one that could not start.
      process.off('disconnect', leave);
    }
  });
}

function bind<Args extends unknown[]>(
  command: Command,
  shell: Shell,
  work: (io: CommandIo, ...args: Args) => Promise<void>,
): void {
  command.option('--json', 'print the result as one JSON object on stdout');
  command.action(async (...given: unknown[]) => {
    // commander appends itself after the options.
    const args = given.slice(0, -1) as Args;
    const controller = new AbortController();
    const progress = new ProgressBar(shell.stderr);
    const stop = () => {
      if (controller.signal.aborted) process.exit(130);
      // Nobody sits at the keyboard of a child of krona start.
      if (process.send === undefined) progress.log('Stopping. Press Ctrl-C again to stop immediately.');
      controller.abort(new KronaError('CANCELLED', 'Cancelled.'));
    };
    process.on('SIGINT', stop).on('SIGTERM', stop);
    try {
      await work({ signal: controller.signal, progress, log: (line) => progress.log(line) }, ...args);
    } finally {
      progress.end();
      process.off('SIGINT', stop).off('SIGTERM', stop);
    }
  });
}

function print({ stdout, json }: Shell, outcome: Outcome): void {
  stdout.write(`${printable(json ? JSON.stringify(outcome.json) : outcome.text)}\n`);
}

/** Prints an error with its code; KRONA_DEBUG=1 adds the stack on stderr. @returns the exit code */
export function reportError(error: unknown, { json, stdout, stderr }: Shell): number {
  const described = describeError(error);
  if (json) stdout.write(`${printable(JSON.stringify({ error: described }))}\n`);
  else stderr.write(`${printable(`${described.code}: ${described.message}`)}\n`);
  if (readEnvironment().KRONA_DEBUG === '1') stderr.write(`${printable(inspect(error))}\n`);
  return described.code === 'CANCELLED' ? 130 : 1;
}
