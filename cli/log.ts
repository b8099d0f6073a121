/** @file The log of long-running commands: JSON lines on stderr, from the level KRONA_LOG up (default: `warn`). */
import pino, { type DestinationStream, type Logger } from 'pino';
import { readEnvironment } from '../core/environment.ts';
import { secretHider } from './hide-secrets.ts';

/** @param to - stderr by default */
export function createLog(
  part: string,
  to: DestinationStream = pino.destination({ dest: 2, sync: true }),
): Logger {
  const env = readEnvironment();
  return pino(
    {
      level: env.KRONA_LOG ?? 'warn',
      base: { part },
      errorKey: 'error',
      serializers: { error: describe },
      hooks: { streamWrite: secretHider(env) },
    },
    to,
  );
}

interface Described {
  readonly type: string;
  readonly code?: string | number;
  readonly status?: number;
  /** With those of its causes. */
  readonly message: string;
  readonly stack: string;
  readonly all?: readonly unknown[];
}

/**
 * An error in the log. Whatever else its class has on it stays out: clients of HTTP and Redis put the request there, with its
 * address, its body with members' messages and pictures, and passwords.
 */
function describe(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { type, message, stack } = pino.stdSerializers.err(error);
  const { code, status } = error as { readonly code?: unknown; readonly status?: unknown };
  const described: Described = {
    type,
    ...((typeof code === 'string' || typeof code === 'number') && { code }),
    ...(typeof status === 'number' && { status }),
    message,
    stack,
    ...(error instanceof AggregateError && { all: error.errors.map(describe) }),
  };
  return described;
}
