/** @file The log of the long-running commands: JSON lines on stderr, from the level in KRONA_LOG on (`warn`). */
import pino, { type Logger } from 'pino';
import { readEnvironment } from '../core/environment.ts';

export function createLog(part: string): Logger {
  const level = readEnvironment().KRONA_LOG ?? 'warn';
  return pino({ level, base: { part }, errorKey: 'error' }, pino.destination({ dest: 2, sync: true }));
}
