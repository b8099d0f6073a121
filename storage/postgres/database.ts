/**
 * @file Queries and transactions on `pg`, the same for a PostgreSQL server and the embedded database. The
 * embedded one gives all clients one session, so nothing here depends on settings or locks of a session.
 */
import pg from 'pg';
import { setTimeout as sleep } from 'node:timers/promises';
import { KronaError } from '../../core/errors.ts';
import type { Sql } from './sql.ts';

/** What repository functions work on: the pool, or one transaction. */
export interface Database {
  /** The rows, with columns named as the query names them. */
  query<Row>(statement: Sql): Promise<Row[]>;
}

export interface PooledDatabase extends Database {
  /** Runs `work` all or nothing, again after a conflict. */
  transaction<T>(isolation: Isolation, work: (database: Database) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

export type Isolation = 'SERIALIZABLE' | 'READ COMMITTED';

/** Times that a conflict is tried again before it is given up. */
const MAX_RETRIES = 12;

export function connectDatabase(url: string, onError: (error: Error) => void): PooledDatabase {
  const pool = new pg.Pool({
    connectionString: url,
    max: 4,
    connectionTimeoutMillis: 30_000,
    types,
  });
  // An idle connection that breaks is replaced by the pool; without a listener it would end the process.
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
          // A connection that cannot even roll back is thrown away.
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

/** Runs `work` again when PostgreSQL asks for it: serialization failure or deadlock. */
async function retrying<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (!isConflict(error) || tries === MAX_RETRIES) throw error;
      // A random pause, longer each time, so that two do not meet again.
      await sleep(Math.random() * 5 * 2 ** Math.min(tries, 6));
    }
  }
}

const isConflict = (error: unknown): boolean =>
  error instanceof KronaError && error.code === 'DATABASE_CONFLICT';

/** SQLSTATEs (PostgreSQL manual, appendix A) and Node's error codes, as errors of ours. */
const ERRORS: readonly { codes: RegExp; code: string; message: string; retryable: boolean }[] = [
  {
    codes: /^(40001|40P01)$/,
    code: 'DATABASE_CONFLICT',
    message: 'The database is too busy with the same records; try again.',
    retryable: true,
  },
  {
    codes: /^53100$/,
    code: 'DISK_FULL',
    message: 'The disk of the database is full; free some space and try again.',
    retryable: true,
  },
  {
    codes: /^(22021|22P05)$/,
    code: 'TEXT_INVALID',
    message: 'The text holds a character that cannot be stored (U+0000); remove it.',
    retryable: false,
  },
  {
    codes: /^22P02$/,
    code: 'ID_INVALID',
    message: 'That is not the id of anything here: an id is a UUID.',
    retryable: false,
  },
  {
    codes: /^23503$/,
    code: 'RECORD_GONE',
    message: 'Something that this belongs to has been deleted meanwhile.',
    retryable: false,
  },
  {
    codes: /^(28...|3D000|42501)$/,
    code: 'DATABASE_REFUSED',
    message: 'The database server refused; check user, password, database and rights of DATABASE_URL.',
    retryable: false,
  },
  {
    codes: /^(08...|57P..|ECONN.*|ENOENT|ENOTFOUND|EPIPE|ETIMEDOUT|EAI_AGAIN)$/,
    code: 'DATABASE_UNAVAILABLE',
    message: 'The database cannot be reached; check that it runs.',
    retryable: true,
  },
];

/** Ours for what is listed above; anything else stays as it is. */
function mapped(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  // `pg` gives no code when a connection broke or could not be had in time.
  const isLost = /^(Connection terminated|timeout exceeded when trying to connect)/.test(error.message);
  const code = isLost ? 'ECONNRESET' : 'code' in error ? String(error.code) : '';
  const known = ERRORS.find(({ codes }) => codes.test(code));
  if (known === undefined) return error;
  return new KronaError(known.code, known.message, { cause: error, retryable: known.retryable });
}

/** int8 (revisions, seeds, byte sizes) as a number: ours stay far below 2^53. All else as `pg` does it. */
const types: pg.CustomTypesConfig = {
  getTypeParser: (oid, format) =>
    Number(oid) === Number(pg.types.builtins.INT8)
      ? Number
      : (pg.types.getTypeParser(oid, format) as (value: string) => unknown),
};
