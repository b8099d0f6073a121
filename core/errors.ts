/**
 * @file The error for everything that a person can act on: a stable code, and a message that says what was expected,
 * what came, and what to do. Never put a token, a link or a path with a user's name in one. docs/errors.md lists all
 * codes; `npm run docs` writes it.
 */

interface KronaErrorOptions {
  /** The underlying error, for logs only; members never see it. */
  readonly cause?: unknown;
  /** The same call can succeed later (a full disk, a lost connection). Default false. */
  readonly retryable?: boolean;
}

/**
 * An expected failure. Any other thrown error is a bug.
 *
 * @example throw new KronaError('PHOTO_EMPTY', 'cat.png has 0 bytes; send a PNG, JPEG or WebP file.');
 */
export class KronaError extends Error {
  override readonly name = 'KronaError';
  /** Capital words joined by `_`, stable across releases. */
  readonly code: string;
  readonly retryable: boolean;

  constructor(code: string, message: string, options: KronaErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? false;
  }

  /** Returns the error that another process or a lower layer reported. A new code stands in `new KronaError` instead. */
  static reported(
    { code, message }: { readonly code: string; readonly message: string },
    options?: KronaErrorOptions,
  ): KronaError {
    return new KronaError(code, message, options);
  }
}

/** Returns `{code, message}` of any thrown value; other errors than KronaError get the code INTERNAL. */
export function describeError(error: unknown): { code: string; message: string } {
  if (error instanceof KronaError) return { code: error.code, message: error.message };
  return { code: 'INTERNAL', message: error instanceof Error ? error.message : String(error) };
}

const OUTAGES = ['DATABASE_UNAVAILABLE', 'DATABASE_READ_ONLY', 'REDIS_UNAVAILABLE', 'BLOBS_UNREACHABLE'];

/** Whether a server that everything needs is away: it comes back, and no job is to blame. */
export const isOutage = (error: unknown): boolean =>
  error instanceof KronaError && OUTAGES.includes(error.code);

/** Any thrown value as an Error. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
