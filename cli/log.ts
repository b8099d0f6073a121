/** @file The log of long-running commands: JSON lines on stderr, from the level KRONA_LOG up (default: `warn`). */
import pino, { type Logger } from 'pino';
import { readEnvironment } from '../core/environment.ts';

export function createLog(part: string): Logger {
  const level = readEnvironment().KRONA_LOG ?? 'warn';
  return pino({ level, base: { part }, errorKey: 'error' }, pino.destination({ dest: 2, sync: true }));
}
