/**
 * @file The error every folder throws for what a person can act on: a stable code, and a message that says
 * what was expected, what came, and what to do. Never put a token, a link or a path with a user's name in one.
 */

export interface KronaErrorOptions {
  /** The error underneath, kept for logs; never shown to a member. */
  readonly cause?: unknown;
  /** True when the same call may succeed later (a full queue, a lost connection). Default false. */
  readonly retryable?: boolean;
}

/**
 * An expected failure. Anything thrown that is not a KronaError is a bug.
 *
 * @example throw new KronaError('PHOTO_EMPTY', 'cat.png has 0 bytes; send a PNG, JPEG or WebP picture.');
 */
export class KronaError extends Error {
  override readonly name = 'KronaError';
  /** Upper-case words joined by `_`, stable across releases. */
  readonly code: string;
  readonly retryable: boolean;

  constructor(code: string, message: string, options: KronaErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? false;
  }
}

/** `{code, message}` of any thrown value; unknown errors become INTERNAL with their message kept. */
export function describeError(error: unknown): { code: string; message: string } {
  if (error instanceof KronaError) return { code: error.code, message: error.message };
  return { code: 'INTERNAL', message: error instanceof Error ? error.message : String(error) };
}
