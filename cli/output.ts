/** @file What commands print: results on stdout, everything else on stderr, so that `--json` is one object to a pipe. */
import { inspect } from 'node:util';
import type { Command } from 'commander';
import { describeError, KronaError } from '../storage/errors.ts';
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
  command.option('--json', 'print one JSON object on stdout, and logs on stderr');
  command.action(async (...given: unknown[]) => {
    // commander appends itself after the options.
    const args = given.slice(0, -1) as Args;
    const controller = new AbortController();
    const progress = new ProgressBar(shell.stderr);
    const stop = () => {
      if (controller.signal.aborted) process.exit(130);
      progress.log('Stopping; press again to end at once.');
      controller.abort(new KronaError('CANCELLED', 'Cancelled.'));
    };
    process.on('SIGINT', stop).on('SIGTERM', stop);
    try {
      const log = (line: string) => progress.log(line);
      const outcome = await work({ signal: controller.signal, progress, log }, ...args);
      progress.end();
      shell.stdout.write(`${shell.json ? JSON.stringify(outcome.json) : outcome.text}\n`);
      shell.exitCode = outcome.exitCode ?? 0;
    } finally {
      progress.end();
      process.off('SIGINT', stop).off('SIGTERM', stop);
    }
  });
}

/** Tells an error: coded, without a stack unless KRONA_DEBUG=1 asks for it on stderr. @returns the exit code */
export function reportError(error: unknown, { json, stdout, stderr }: Shell): number {
  const described = describeError(error);
  if (json) stdout.write(`${JSON.stringify({ error: described })}\n`);
  else stderr.write(`${described.code}: ${described.message}\n`);
  if (process.env['KRONA_DEBUG'] === '1') stderr.write(`${inspect(error)}\n`);
  return described.code === 'CANCELLED' ? 130 : 1;
}
