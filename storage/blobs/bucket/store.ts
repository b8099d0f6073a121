/**
 * @file Blobs in a bucket of S3 or of a server that speaks like it: `<prefix><hash>`. An object appears whole or not at
 * all. Nothing can be moved aside there, so a deletion is announced first: by an object `<prefix>deleting/<hash>`, for which
 * a conditional put (If-None-Match) lets one process through. A put looks for it after the blob is stored.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { buffer } from 'node:stream/consumers';
import type { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  paginateListObjectsV2,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import type { BlobPlace } from '../../../core/blob-place.ts';
import type { BucketAccess } from '../../../core/environment.ts';
import type { BlobInfo, BlobRange, BlobStore, PublicLinkOptions } from '../contract.ts';
import { checkedName, isBlobName } from '../name.ts';
import { dropStaleFiles, spool, type Spooled } from '../spool.ts';
import { bucketClient } from './client.ts';
import { download } from './download.ts';
import { bucketError, faultOf, isMissing } from './errors.ts';

const HOUR = 3600_000;
/** Least bytes of a part; S3 takes 10,000 parts. */
const PART = 8 * 1024 * 1024;
const MOST_PARTS = 10_000;
/** Largest object that can be copied in one request, bytes; a larger one is sent again. */
const MOST_COPIED = 5 * 1024 ** 3;
/** S3 tells times in seconds, ms. */
const TICK = 1000;
/** A process that deletes gives up after this time, ms. */
const LONGEST_DELETION = 60_000;
/** A put waits so long for a deletion; one that takes longer has given up or crashed, ms. */
const LONGEST_WAIT = 1.5 * LONGEST_DELETION;
/** An announcement this old was left by a crash, ms; clocks can differ by a quarter of an hour. */
const STALE_DELETION = HOUR;
/** Parts of an upload this old were left by a crash, ms. */
const STALE_UPLOAD = 24 * HOUR;

type Bucket = Extract<BlobPlace, { kind: 'bucket' }>;

/**
 * Opens a bucket, checks that it can be listed, and removes what crashed uploads left.
 *
 * @param spoolFolder - for large blobs, until they are sent
 * @throws KronaError BLOBS_BUCKET_MISSING, BLOBS_REGION_WRONG, BLOBS_KEYS_WRONG, BLOBS_DENIED, BLOBS_CLOCK_WRONG,
 * BLOBS_UNREACHABLE, BLOBS_REFUSED
 */
export async function openBlobBucket(
  place: Bucket,
  access: BucketAccess,
  spoolFolder: string,
): Promise<BlobStore> {
  await dropStaleFiles(spoolFolder);
  const client = bucketClient(access);
  try {
    await client.send(new ListObjectsV2Command({ Bucket: place.bucket, Prefix: place.prefix, MaxKeys: 1 }));
    await dropStaleUploads(client, place);
  } catch (error) {
    client.destroy();
    throw bucketError(error);
  }
  return new BlobBucket(client, place, spoolFolder);
}

/** Parts of unfinished uploads can't be seen, but cost. Servers that can't list them, or keys that may not, are left alone. */
async function dropStaleUploads(client: S3Client, { bucket, prefix }: Bucket): Promise<void> {
  try {
    const { Uploads = [] } = await client.send(
      new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: prefix }),
    );
    for (const { Key, UploadId, Initiated } of Uploads)
      if (Initiated !== undefined && Date.now() - Initiated.getTime() > STALE_UPLOAD)
        await client.send(new AbortMultipartUploadCommand({ Bucket: bucket, Key, UploadId }));
  } catch (error) {
    const { status } = faultOf(error);
    if (status === null || status >= 500) throw error;
  }
}

class BlobBucket implements BlobStore {
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #prefix: string;
  readonly #spoolFolder: string;

  constructor(client: S3Client, { bucket, prefix }: Bucket, spoolFolder: string) {
    this.#client = client;
    this.#bucket = bucket;
    this.#prefix = prefix;
    this.#spoolFolder = spoolFolder;
  }

  async put(given: Uint8Array | Readable): Promise<BlobInfo> {
    const blob = await spool(given, this.#spoolFolder);
    const { hash, size } = blob;
    try {
      do await this.#store(blob);
      while (!(await this.#stands(hash)));
    } catch (error) {
      throw bucketError(error);
    } finally {
      await blob.drop();
    }
    return { hash, size };
  }

  async stat(hash: string): Promise<BlobInfo | null> {
    const head = await this.#head(this.#key(hash));
    return head === null ? null : { hash, size: head.ContentLength ?? 0 };
  }

  async get(hash: string): Promise<Uint8Array> {
    return buffer(await this.stream(hash));
  }

  async stream(hash: string, range?: BlobRange): Promise<Readable> {
    return download(this.#client, { bucket: this.#bucket, key: this.#key(hash), hash }, range);
  }

  async delete(hash: string): Promise<void> {
    await this.#delete(this.#key(hash));
  }

  async *putBefore(time: Date): AsyncIterable<string> {
    const pages = paginateListObjectsV2(
      { client: this.#client },
      { Bucket: this.#bucket, Prefix: this.#prefix },
    );
    try {
      for await (const { Contents = [] } of pages)
        for (const { Key = '', LastModified } of Contents) {
          const name = Key.slice(this.#prefix.length);
          if (isBlobName(name) && isBefore(LastModified, time)) yield name;
        }
    } catch (error) {
      throw bucketError(error);
    }
  }

  async deleteOlder(hash: string, time: Date): Promise<boolean> {
    const key = this.#key(hash);
    const giveUp = AbortSignal.timeout(LONGEST_DELETION);
    if (!(await this.#announce(hash))) return false;
    try {
      const head = await this.#head(key);
      if (head === null || !isBefore(head.LastModified, time) || giveUp.aborted) return false;
      await this.#delete(key, giveUp);
      return true;
    } finally {
      await this.#delete(this.#announcement(hash));
    }
  }

  async localPath(): Promise<null> {
    return null;
  }

  async publicLink(hash: string, options: PublicLinkOptions): Promise<string> {
    const command = new GetObjectCommand({
      Bucket: this.#bucket,
      Key: this.#key(hash),
      ResponseContentType: options.contentType,
      ResponseContentDisposition: options.contentDisposition,
      ResponseCacheControl: options.cacheControl,
    });
    // As of the last full hour, so that a browser finds again what it has fetched.
    const signingDate = new Date(Math.floor(Date.now() / HOUR) * HOUR);
    try {
      return await getSignedUrl(this.#client, command, { expiresIn: (2 * HOUR) / 1000, signingDate });
    } catch (error) {
      throw bucketError(error);
    }
  }

  async close(): Promise<void> {
    this.#client.destroy();
  }

  #key(hash: string): string {
    return `${this.#prefix}${checkedName(hash)}`;
  }

  #announcement(hash: string): string {
    return `${this.#prefix}deleting/${checkedName(hash)}`;
  }

  /** Sends a blob, or marks it as stored just now. A small one is sent anyway: that costs no more than to ask. */
  async #store({ hash, size, bytes, read }: Spooled): Promise<void> {
    const object = { Bucket: this.#bucket, Key: this.#key(hash) };
    if (bytes !== null) {
      await this.#client.send(new PutObjectCommand({ ...object, Body: bytes, ContentLength: size }));
      return;
    }
    if (size <= MOST_COPIED && (await this.#touch(hash))) return;
    const partSize = Math.max(PART, Math.ceil(size / MOST_PARTS));
    const upload = new Upload({
      client: this.#client,
      partSize,
      params: { ...object, Body: read() as Readable },
    });
    try {
      await upload.done();
    } catch (error) {
      // The answer to the last request was lost, and the client has asked again.
      if (faultOf(error).code === 'NoSuchUpload' && (await this.stat(hash)) !== null) return;
      throw error;
    }
  }

  /** Marks a blob as stored just now, by a copy onto itself; false when it is missing. */
  async #touch(hash: string): Promise<boolean> {
    const key = this.#key(hash);
    if ((await this.#head(key)) === null) return false;
    try {
      await this.#client.send(
        new CopyObjectCommand({
          Bucket: this.#bucket,
          Key: key,
          CopySource: `${this.#bucket}/${key}`,
          MetadataDirective: 'REPLACE',
        }),
      );
      return true;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  /**
   * Whether a blob that was just stored stays: a deletion that had seen the older one may have removed it since. Once no
   * deletion is announced, each that is yet to come sees the blob's new time.
   */
  async #stands(hash: string): Promise<boolean> {
    const until = performance.now() + LONGEST_WAIT;
    while ((await this.#head(this.#announcement(hash))) !== null && performance.now() < until)
      await sleep(200);
    return (await this.#head(this.#key(hash))) !== null;
  }

  /** Announces a deletion; false when another process has. */
  async #announce(hash: string): Promise<boolean> {
    const Key = this.#announcement(hash);
    try {
      await this.#client.send(
        new PutObjectCommand({ Bucket: this.#bucket, Key, Body: '', ContentLength: 0, IfNoneMatch: '*' }),
      );
      return true;
    } catch (error) {
      // 409: another conditional put of the same name is under way.
      if (![409, 412].includes(faultOf(error).status ?? 0)) throw bucketError(error);
      const other = await this.#head(Key);
      // The next sweep gets through.
      if (other !== null && isStale(other)) await this.#delete(Key);
      return false;
    }
  }

  async #head(key: string, again = true): Promise<HeadObjectCommandOutput | null> {
    try {
      return await this.#client.send(new HeadObjectCommand({ Bucket: this.#bucket, Key: key }));
    } catch (error) {
      if (isMissing(error)) return null;
      // An answer to HEAD has no code. This one comes also when the clock was just set, which the client has seen by now.
      if (again && faultOf(error).status === 403) return this.#head(key, false);
      throw bucketError(error);
    }
  }

  async #delete(key: string, abortSignal?: AbortSignal): Promise<void> {
    try {
      await this.#client.send(new DeleteObjectCommand({ Bucket: this.#bucket, Key: key }), {
        ...(abortSignal && { abortSignal }),
      });
    } catch (error) {
      if (!isMissing(error)) throw bucketError(error);
    }
  }
}

/** Whether a time of the server, in whole seconds, is certainly before another. */
const isBefore = (told: Date | undefined, time: Date): boolean =>
  told !== undefined && told.getTime() + TICK <= time.getTime();

const isStale = ({ LastModified }: HeadObjectCommandOutput): boolean =>
  LastModified !== undefined && Date.now() - LastModified.getTime() > STALE_DELETION;
