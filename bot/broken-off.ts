/** @file The answer to a request whose connection has ended. */
import { KronaError } from '../core/errors.ts';

/** What a request gets that ends before its answer, and that nobody reads. */
export const brokenOff = (cause?: unknown): KronaError =>
  new KronaError('REQUEST_BROKEN_OFF', 'The connection ended in the middle of the request. Send it again.', {
    cause,
  });
