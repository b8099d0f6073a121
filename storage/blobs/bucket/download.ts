/** @file The bytes of an object, across broken connections. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Readable } from 'node:stream';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import { pauseAfter } from '../../../core/backoff.ts';
import type { BlobRange } from '../contract.ts';
import { bucketError } from './errors.ts';
import type { BucketObjects } from './objects.ts';

/** Tries without a byte between them, and the pauses, ms. */
const TRIES = 5;
const PAUSES = { first: 200, longest: 5_000 };

interface Wanted {
  readonly key: string;
  /** The blob's name, for errors. */
  readonly hash: string;
}

/**
 * Asks for an object and returns its bytes as they come. When the connection breaks, the rest is asked for again.
 *
 * @throws KronaError BLOB_NOT_FOUND, BLOBS_*; the stream fails with the same
 */
export async function download(
  { client, bucket }: BucketObjects,
  wanted: Wanted,
  range?: BlobRange,
): Promise<Readable> {
  const ask = async (start: number, end: number | undefined): Promise<Readable> => {
    const Range = start === 0 && end === undefined ? undefined : `bytes=${start}-${end ?? ''}`;
    try {
      const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: wanted.key, Range }));
      if (Body instanceof Readable) return Body;
    } catch (error) {
      throw bucketError(error, wanted.hash);
    }
    throw new Error('an answer without a body');
  };
  const first = await ask(range?.start ?? 0, range?.end);
  return Readable.from(resuming(first, range, ask), { objectMode: false });
}

async function* resuming(
  first: Readable,
  range: BlobRange | undefined,
  ask: (start: number, end: number | undefined) => Promise<Readable>,
): AsyncGenerator<Uint8Array> {
  let at = range?.start ?? 0;
  let body = first;
  let parts = body[Symbol.asyncIterator]();
  let failures = 0;
  try {
    for (;;) {
      // The `yield` stays outside of the `try`: an error of the reader is no broken connection.
      let part: IteratorResult<Uint8Array>;
      try {
        part = (await parts.next()) as IteratorResult<Uint8Array>;
      } catch (error) {
        if (++failures === TRIES) throw bucketError(error);
        await sleep(pauseAfter(failures, PAUSES));
        body = await ask(at, range?.end);
        parts = body[Symbol.asyncIterator]();
        continue;
      }
      if (part.done) return;
      failures = 0;
      at += part.value.length;
      yield part.value;
    }
  } finally {
    body.destroy();
  }
}
