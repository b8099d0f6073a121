/**
 * @file Queries and transactions on `pg`, the same for a PostgreSQL server and the embedded database. All clients of
 * the embedded database share one session, so nothing here depends on settings or locks of a session.
 */
import pg from 'pg';
import { pauseAfter } from '../../core/backoff.ts';
import { asError, KronaError } from '../../core/errors.ts';
import { retry } from '../../core/retrying.ts';
import { KEEP_ALIVE, LONG_STATEMENT, STATEMENT } from '../patience.ts';
import type { Records } from '../records.ts';
import { sql, type Sql } from './sql.ts';

/** What operations work on: the pool, or one transaction. */
export interface Database {
  /** Returns the rows, with the column names of the query. */
  query<Row>(statement: Sql): Promise<Row[]>;
}

/** One operation of the store, on the pool or inside a transaction. */
export type Operation<Name extends keyof Records> = (database: Database) => Records[Name];

export interface PooledDatabase extends Database {
  /** Runs `work` in a transaction, again after a conflict. */
  transaction<T>(isolation: Isolation, work: (database: Database) => Promise<T>): Promise<T>;
  /** @throws KronaError DATABASE_* when it can't be written just now */
  check(): Promise<void>;
  close(): Promise<void>;
}

type Isolation = 'SERIALIZABLE' | 'REPEATABLE READ' | 'READ COMMITTED';

/** Pauses after a conflict, and how often the work is tried: short, as the other transaction has ended. */
const CONFLICT = { first: 5, longest: 320 };
const CONFLICT_TRIES = 13;
/** Pauses while the server has no free connection, and how long a question waits for one, ms. */
const BUSY = { first: 50, longest: 2_000 };
const LONGEST_BUSY = 15_000;
/**
 * Connections of one process: a transaction and a question beside it. More would make members' questions no faster, and
 * small servers have few.
 */
const CONNECTIONS = 2;

export function connectDatabase(url: string, onError: (error: Error) => void): PooledDatabase {
  const pool = new pg.Pool({
    connectionString: url,
    max: CONNECTIONS,
    connectionTimeoutMillis: 30_000,
    query_timeout: STATEMENT,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE,
    types,
  });
  // The pool replaces a broken idle connection; without a listener the error would end the process.
  pool.on('error', (error) => onError(asError(databaseError(error))));

  return {
    query: (statement) => retrying(() => run(pool, statement)),
    transaction: (isolation, work) =>
      retrying(async () => {
        const client = await connect(pool);
        // The pool listens only to idle connections; the statement under way fails as well.
        const lost = (error: Error) => onError(asError(databaseError(error)));
        client.on('error', lost);
        try {
          await client.query(`BEGIN ISOLATION LEVEL ${isolation}`);
          const result = await work({ query: (statement) => run(client, statement) });
          await client.query('COMMIT');
          client.off('error', lost);
          client.release();
          return result;
        } catch (error) {
          // A connection that cannot roll back is discarded.
          const broken =
            isCode(error, 'DATABASE_UNAVAILABLE') ||
            (await client.query('ROLLBACK').then(
              () => false,
              () => true,
            ));
          client.off('error', lost);
          client.release(broken);
          throw databaseError(error);
        }
      }),
    async check() {
      const [row] = await retrying(() => run<{ is: string }>(pool, READ_ONLY));
      if (row?.is === 'on') throw readOnly();
    },
    close: () => pool.end(),
  };
}

/** The same database for statements that can take long, such as those of a migration. */
export const patiently = (database: Database): Database => ({
  query: (statement) => database.query({ ...statement, patience: LONG_STATEMENT }),
});

async function connect(pool: pg.Pool): Promise<pg.PoolClient> {
  try {
    return await pool.connect();
  } catch (error) {
    throw databaseError(error);
  }
}

async function run<Row>(on: pg.Pool | pg.PoolClient, { text, values, patience }: Sql): Promise<Row[]> {
  // The last is not in pg's types.
  const query = { text, values: [...values], query_timeout: patience };
  try {
    const result = await on.query(query);
    return result.rows as Row[];
  } catch (error) {
    throw databaseError(error);
  }
}

/** Runs `work` again after a serialization failure or deadlock, and while the server has no free connection. */
export function retrying<T>(work: () => Promise<T>): Promise<T> {
  const until = performance.now() + LONGEST_BUSY;
  return retry(work, {
    pause(error, failures) {
      if (isCode(error, 'DATABASE_CONFLICT'))
        return failures < CONFLICT_TRIES ? pauseAfter(failures, CONFLICT) : null;
      // No question was asked yet.
      return isCode(error, 'DATABASE_BUSY') && performance.now() < until ? pauseAfter(failures, BUSY) : null;
    },
  });
}

const isCode = (error: unknown, code: string): boolean => error instanceof KronaError && error.code === code;

/** On for a standby server, and where the default of transactions was changed. */
const READ_ONLY = sql`SELECT current_setting('transaction_read_only') AS is`;

function readOnly(cause?: Error): KronaError {
  return new KronaError(
    'DATABASE_READ_ONLY',
    'The database is read-only, so nothing can be stored. Make it writable, or set DATABASE_URL to the primary server.',
    { cause, retryable: true },
  );
}

/** Errors for SQLSTATEs (PostgreSQL manual, appendix A) and for Node's error codes. */
const ERRORS: readonly { readonly codes: RegExp; toError(cause: Error): KronaError }[] = [
  {
    codes: /^(40001|40P01)$/,
    toError: (cause) =>
      new KronaError('DATABASE_CONFLICT', 'Too many changes to the same records at once. Try again.', {
        cause,
        retryable: true,
      }),
  },
  {
    codes: /^53300$/,
    toError: (cause) =>
      new KronaError(
        'DATABASE_BUSY',
        'The database server has no free connection. Try again, or raise its max_connections: the bot needs 3, each worker 4.',
        { cause, retryable: true },
      ),
  },
  {
    codes: /^25006$/,
    toError: readOnly,
  },
  {
    codes: /^53100$/,
    toError: (cause) =>
      new KronaError('DISK_FULL', 'The disk of the database is full. Free some space and try again.', {
        cause,
        retryable: true,
      }),
  },
  {
    codes: /^(22021|22P05)$/,
    toError: (cause) =>
      new KronaError(
        'TEXT_INVALID',
        'The text contains a character that cannot be stored (U+0000). Remove it.',
        { cause },
      ),
  },
  {
    codes: /^22P02$/,
    toError: (cause) => new KronaError('ID_INVALID', 'Invalid id: expected a UUID.', { cause }),
  },
  {
    codes: /^22003$/,
    toError: (cause) =>
      new KronaError('NUMBER_TOO_LARGE', 'A number is larger than can be stored. Use a smaller one.', {
        cause,
      }),
  },
  {
    codes: /^23503$/,
    toError: (cause) =>
      new KronaError('RECORD_GONE', 'A record that this one refers to was deleted.', {
        cause,
      }),
  },
  {
    codes: /^(28...|3D000|42501)$/,
    toError: (cause) =>
      new KronaError(
        'DATABASE_REFUSED',
        'The database server refused the connection. Check the user, password, database and permissions in DATABASE_URL.',
        { cause },
      ),
  },
  {
    codes: /^(08...|57P..|ECONN.*|ENOENT|ENOTFOUND|EPIPE|ETIMEDOUT|EAI_AGAIN)$/,
    toError: (cause) =>
      new KronaError('DATABASE_UNAVAILABLE', 'The database is unreachable. Check that it is running.', {
        cause,
        retryable: true,
      }),
  },
];

/** Turns the errors listed above into a KronaError; any other error stays as it is. */
export function databaseError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  // `pg` gives no code for a lost connection or a connection timeout.
  const isLost = /^(Connection terminated|Query read timeout|timeout exceeded when trying to connect)/.test(
    error.message,
  );
  const code = isLost ? 'ECONNRESET' : 'code' in error ? String(error.code) : '';
  const known = ERRORS.find(({ codes }) => codes.test(code));
  return known === undefined ? error : known.toError(error);
}

/** int8 (revisions, seeds, byte sizes) becomes a number: ours stay far below 2^53. The rest is as in `pg`. */
const types: pg.CustomTypesConfig = {
  getTypeParser: (oid, format) =>
    Number(oid) === Number(pg.types.builtins.INT8)
      ? Number
      : (pg.types.getTypeParser(oid, format) as (value: string) => unknown),
};
