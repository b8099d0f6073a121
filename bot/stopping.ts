/** @file The answer of a bot that ends. */
import { KronaError } from '../core/errors.ts';

export const stopping = (): KronaError =>
  new KronaError('STOPPING', 'Krona is restarting. Try again in a moment.', { retryable: true });
