/** @file The engine process that this one has started. */
import { execFileSync } from 'node:child_process';

export const enginePid = (): number => found();

/** The same of the one that it has started last. */
export const newestEnginePid = (): number => found('-n');

function found(...which: string[]): number {
  const args = ['-P', `${process.pid}`, ...which, '-f', 'engine-process'];
  return Number(execFileSync('pgrep', args, { encoding: 'utf8' }).split('\n')[0]);
}
