/** @file Blobs in PostgreSQL, in chunks of a megabyte: for installations that have a database and no bucket. */
import { buffer } from 'node:stream/consumers';
import { Readable } from 'node:stream';
import { connectDatabase, type PooledDatabase } from '../postgres/database.ts';
import { firstRow } from '../postgres/rows.ts';
import { sql } from '../postgres/sql.ts';
import type { BlobInfo, BlobRange, BlobStore } from './contract.ts';
import { blobMissing, checkedName } from './name.ts';
import { dropStaleFiles, spool } from './spool.ts';

/** Bytes of a chunk; the last can be smaller. */
const CHUNK = 1024 * 1024;

/**
 * Connects to a database that is migrated.
 *
 * @param spoolFolder - for large blobs, until they are stored
 * @param onError - receives errors of idle connections, which the pool replaces
 */
export async function openBlobTable(
  url: string,
  spoolFolder: string,
  onError: (error: Error) => void,
): Promise<BlobStore> {
  await dropStaleFiles(spoolFolder);
  return new BlobTable(connectDatabase(url, onError), spoolFolder);
}

class BlobTable implements BlobStore {
  readonly #database: PooledDatabase;
  readonly #spoolFolder: string;

  constructor(database: PooledDatabase, spoolFolder: string) {
    this.#database = database;
    this.#spoolFolder = spoolFolder;
  }

  async put(bytes: Uint8Array | Readable): Promise<BlobInfo> {
    const { hash, size, read, drop } = await spool(bytes, this.#spoolFolder);
    try {
      // Read committed: a put that waits for another of the same bytes then sees its row.
      await this.#database.transaction('READ COMMITTED', async (transaction) => {
        const [row] = await transaction.query<{ added: boolean }>(sql`
          INSERT INTO krona.blob (hash, size) VALUES (${hash}, ${size})
          ON CONFLICT (hash) DO UPDATE SET put_at = clock_timestamp()
          RETURNING xmax = 0 AS added`);
        if (row?.added !== true) return;
        let nth = 0;
        for await (const chunk of chunks(read()))
          await transaction.query(
            sql`INSERT INTO krona.blob_chunk (hash, nth, bytes) VALUES (${hash}, ${nth++}, ${chunk})`,
          );
      });
    } finally {
      await drop();
    }
    return { hash, size };
  }

  async stat(hash: string): Promise<BlobInfo | null> {
    return firstRow(
      await this.#database.query<BlobInfo>(
        sql`SELECT hash, size FROM krona.blob WHERE hash = ${checkedName(hash)}`,
      ),
    );
  }

  async get(hash: string): Promise<Uint8Array> {
    return buffer(await this.stream(hash));
  }

  async stream(hash: string, range?: BlobRange): Promise<Readable> {
    const info = await this.stat(hash);
    if (info === null) throw blobMissing(hash);
    return Readable.from(this.#read(info, range ?? { start: 0, end: info.size - 1 }), { objectMode: false });
  }

  async *#read({ hash, size }: BlobInfo, { start, end }: BlobRange): AsyncGenerator<Uint8Array> {
    const last = Math.min(end, size - 1);
    for (let at = start; at <= last;) {
      const nth = Math.floor(at / CHUNK);
      const row = firstRow(
        await this.#database.query<{ bytes: Buffer }>(
          sql`SELECT bytes FROM krona.blob_chunk WHERE hash = ${hash} AND nth = ${nth}`,
        ),
      );
      if (row === null) throw blobMissing(hash);
      const part = row.bytes.subarray(at - nth * CHUNK, last + 1 - nth * CHUNK);
      at += part.length;
      yield part;
    }
  }

  async delete(hash: string): Promise<void> {
    await this.#database.query(sql`DELETE FROM krona.blob WHERE hash = ${checkedName(hash)}`);
  }

  async *putBefore(time: Date): AsyncIterable<string> {
    const rows = await this.#database.query<BlobInfo>(
      sql`SELECT hash FROM krona.blob WHERE put_at < ${time}`,
    );
    for (const { hash } of rows) yield hash;
  }

  async deleteOlder(hash: string, time: Date): Promise<boolean> {
    const rows = await this.#database.query(
      sql`DELETE FROM krona.blob WHERE hash = ${checkedName(hash)} AND put_at < ${time} RETURNING hash`,
    );
    return rows.length > 0;
  }

  async localPath(hash: string): Promise<null> {
    checkedName(hash);
    return null;
  }

  async publicLink(): Promise<null> {
    return null;
  }

  close(): Promise<void> {
    return this.#database.close();
  }
}

/** Joins and cuts what a stream brings into chunks. */
async function* chunks(parts: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let held: Uint8Array = Buffer.alloc(0);
  for await (const part of parts) {
    held = held.length === 0 ? part : Buffer.concat([held, part]);
    for (; held.length >= CHUNK; held = held.subarray(CHUNK)) yield held.subarray(0, CHUNK);
  }
  if (held.length > 0) yield held;
}
