/** @file What commands print: results on stdout, everything else on stderr, so that `--json` is one object to a pipe. */
import { inspect } from 'node:util';
import type { Command } from 'commander';
import { describeError, KronaError } from '../core/errors.ts';
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
  /** A line for people, on stderr. */
  log(line: string): void;
}

/** A command's outcome: the object that --json prints, and the same for people. */
export interface Outcome {
  readonly json: object;
  readonly text: string;
  /** Exit code, 0 unless given. */
  readonly exitCode?: number;
}

/** Gives a command the option --json and its action. `work` gets the positional arguments, then the options. */
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

/** Something that runs until it is stopped. */
export interface Service extends Outcome {
  stop(): Promise<void>;
}

/** As `action`, for a command that serves: prints what `start` gives when it is ready, and ends at Ctrl-C with 0. */
export function service<Args extends unknown[]>(
  command: Command,
  shell: Shell,
  start: (io: CommandIo, ...args: Args) => Promise<Service>,
): void {
  bind<Args>(command, shell, async (io, ...args) => {
    // `krona start` holds the other end: when that is gone, also by kill -9, there is nobody left to serve.
    const leave = () => process.kill(process.pid, 'SIGTERM');
    process.once('disconnect', leave);
    // It may have gone while this program was loading.
    if (process.send !== undefined && !process.connected) leave();
    try {
      const running = await start(io, ...args);
      print(shell, running);
      await new Promise<void>((resolve) => {
        if (io.signal.aborted) resolve();
        else io.signal.addEventListener('abort', () => resolve(), { once: true });
      });
      await running.stop();
    } finally {
      // Listening holds the process open, also one that could not start.
      process.off('disconnect', leave);
    }
  });
}

function bind<Args extends unknown[]>(
  command: Command,
  shell: Shell,
  work: (io: CommandIo, ...args: Args) => Promise<void>,
): void {
  command.option('--json', 'print one JSON object on stdout, and logs on stderr');
  command.action(async (...given: unknown[]) => {
    // commander appends itself after the options.
    const args = given.slice(0, -1) as Args;
    const controller = new AbortController();
    const progress = new ProgressBar(shell.stderr);
    const stop = () => {
      if (controller.signal.aborted) process.exit(130);
      // A child of krona start has nobody at the keys.
      if (process.send === undefined) progress.log('Stopping; press again to end at once.');
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
  stdout.write(`${json ? JSON.stringify(outcome.json) : outcome.text}\n`);
}

/** Tells an error: coded, without a stack unless KRONA_DEBUG=1 asks for it on stderr. @returns the exit code */
export function reportError(error: unknown, { json, stdout, stderr }: Shell): number {
  const described = describeError(error);
  if (json) stdout.write(`${JSON.stringify({ error: described })}\n`);
  else stderr.write(`${described.code}: ${described.message}\n`);
  if (process.env['KRONA_DEBUG'] === '1') stderr.write(`${inspect(error)}\n`);
  return described.code === 'CANCELLED' ? 130 : 1;
}
