/** @file The engine process that this one has started. */
import { execFileSync } from 'node:child_process';

export function enginePid(): number {
  const found = execFileSync('pgrep', ['-P', `${process.pid}`, '-f', 'engine-process'], { encoding: 'utf8' });
  return Number(found.split('\n')[0]);
}
