/**
 * @file The lines of a compressed file. Node's own reader also ends lines at U+2028 and U+2029, since Node 24: members write
 * these, and JSON has them as they are.
 */
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { KronaError } from '../../core/errors.ts';

const NEWLINE = 0x0a;

/** Bytes of the longest line: a record has some kilobytes, and a file made on purpose could unpack to any length. */
const LONGEST = 64 * 1024 ** 2;

/**
 * Reads a gzip file of UTF-8 line by line. An empty line at the end is none.
 *
 * @throws KronaError BACKUP_DAMAGED for a line above 64 MiB; the errors of node:fs and node:zlib
 */
export async function* linesOf(path: string): AsyncGenerator<string> {
  // The callback takes errors that come after the last read; all others come through the iteration.
  const bytes = pipeline(createReadStream(path), createGunzip(), () => {});
  let held: Buffer[] = [];
  let length = 0;
  for await (const part of bytes as AsyncIterable<Buffer>) {
    let from = 0;
    for (let end = part.indexOf(NEWLINE); end !== -1; end = part.indexOf(NEWLINE, from)) {
      yield Buffer.concat([...held, part.subarray(from, end)]).toString();
      held = [];
      length = 0;
      from = end + 1;
    }
    held.push(part.subarray(from));
    length += part.length - from;
    if (length > LONGEST)
      throw new KronaError('BACKUP_DAMAGED', 'A record in the backup is too long. Use another backup.');
  }
  const last = Buffer.concat(held).toString();
  if (last !== '') yield last;
}
