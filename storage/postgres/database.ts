/**
 * @file Queries and transactions on `pg`, the same for a PostgreSQL server and the embedded database. All clients of
 * the embedded database share one session, so nothing here depends on settings or locks of a session.
 */
import pg from 'pg';
import { setTimeout as sleep } from 'node:timers/promises';
import { KronaError } from '../../core/errors.ts';
import type { Records } from '../records.ts';
import type { Sql } from './sql.ts';

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
  close(): Promise<void>;
}

type Isolation = 'SERIALIZABLE' | 'READ COMMITTED';

/** Retries after a conflict before it becomes an error. */
const MAX_RETRIES = 12;

export function connectDatabase(url: string, onError: (error: Error) => void): PooledDatabase {
  const pool = new pg.Pool({
    connectionString: url,
    max: 4,
    connectionTimeoutMillis: 30_000,
    types,
  });
  // The pool replaces a broken idle connection; without a listener the error would end the process.
  pool.on('error', onError);

  return {
    query: (statement) => retrying(() => run(pool, statement)),
    transaction: (isolation, work) =>
      retrying(async () => {
        const client = await connect(pool);
        try {
          await client.query(`BEGIN ISOLATION LEVEL ${isolation}`);
          const result = await work({ query: (statement) => run(client, statement) });
          await client.query('COMMIT');
          client.release();
          return result;
        } catch (error) {
          // A connection that cannot roll back is discarded.
          const broken = await client.query('ROLLBACK').then(
            () => false,
            () => true,
          );
          client.release(broken);
          throw mapped(error);
        }
      }),
    close: () => pool.end(),
  };
}

async function connect(pool: pg.Pool): Promise<pg.PoolClient> {
  try {
    return await pool.connect();
  } catch (error) {
    throw mapped(error);
  }
}

async function run<Row>(on: pg.Pool | pg.PoolClient, statement: Sql): Promise<Row[]> {
  try {
    const result = await on.query(statement.text, [...statement.values]);
    return result.rows as Row[];
  } catch (error) {
    throw mapped(error);
  }
}

/** Runs `work` again after a serialization failure or deadlock. */
async function retrying<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (!isConflict(error) || tries === MAX_RETRIES) throw error;
      // A random pause, longer each time, so that the same two do not collide again.
      await sleep(Math.random() * 5 * 2 ** Math.min(tries, 6));
    }
  }
}

const isConflict = (error: unknown): boolean =>
  error instanceof KronaError && error.code === 'DATABASE_CONFLICT';

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
    codes: /^23503$/,
    toError: (cause) =>
      new KronaError('RECORD_GONE', 'A record that this one refers to was deleted in the meantime.', {
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
function mapped(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  // `pg` gives no code for a lost connection or a connection timeout.
  const isLost = /^(Connection terminated|timeout exceeded when trying to connect)/.test(error.message);
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
