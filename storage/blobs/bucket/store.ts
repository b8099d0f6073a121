/**
 * @file Blobs in a bucket of S3 or of a server that speaks like it: `<prefix><hash>`. An object appears whole or not at
 * all. The server tells times in whole seconds.
 */
import { buffer } from 'node:stream/consumers';
import type { Readable } from 'node:stream';
import { GetObjectCommand, ListObjectsV2Command, paginateListObjectsV2 } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import type { BlobPlace } from '../../../core/blob-place.ts';
import type { BucketAccess } from '../../../core/environment.ts';
import type { BlobInfo, BlobRange, BlobStore, PublicLinkOptions } from '../contract.ts';
import { checkedName, isBlobName } from '../name.ts';
import { dropStaleFiles, spool } from '../spool.ts';
import { bucketClient } from './client.ts';
import { download } from './download.ts';
import { Deletions } from './deletions.ts';
import { bucketError } from './errors.ts';
import { BucketObjects } from './objects.ts';
import { dropStaleUploads, upload } from './upload.ts';

const HOUR = 3600_000;
/** S3 tells times in seconds, ms. */
const TICK = 1000;

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
  const objects = new BucketObjects(client, place.bucket);
  try {
    await client.send(new ListObjectsV2Command({ Bucket: place.bucket, Prefix: place.prefix, MaxKeys: 1 }));
    await dropStaleUploads(objects, place.prefix);
  } catch (error) {
    client.destroy();
    throw bucketError(error);
  }
  return new BlobBucket(objects, place.prefix, spoolFolder);
}

class BlobBucket implements BlobStore {
  readonly #objects: BucketObjects;
  readonly #prefix: string;
  readonly #spoolFolder: string;
  readonly #deletions: Deletions;

  constructor(objects: BucketObjects, prefix: string, spoolFolder: string) {
    this.#objects = objects;
    this.#prefix = prefix;
    this.#spoolFolder = spoolFolder;
    this.#deletions = new Deletions(objects, prefix);
  }

  async put(given: Uint8Array | Readable): Promise<BlobInfo> {
    const blob = await spool(given, this.#spoolFolder);
    const { hash, size } = blob;
    try {
      // A deletion that had begun may have removed it since.
      do {
        await upload(this.#objects, this.#key(hash), blob);
        await this.#deletions.over(hash);
      } while ((await this.stat(hash)) === null);
    } catch (error) {
      throw bucketError(error);
    } finally {
      await blob.drop();
    }
    return { hash, size };
  }

  async stat(hash: string): Promise<BlobInfo | null> {
    const head = await this.#objects.head(this.#key(hash));
    return head === null ? null : { hash, size: head.ContentLength ?? 0 };
  }

  async get(hash: string): Promise<Uint8Array> {
    return buffer(await this.stream(hash));
  }

  async stream(hash: string, range?: BlobRange): Promise<Readable> {
    return download(this.#objects, { key: this.#key(hash), hash }, range);
  }

  async delete(hash: string): Promise<void> {
    await this.#objects.delete(this.#key(hash));
  }

  async *putBefore(time: Date): AsyncIterable<string> {
    const pages = paginateListObjectsV2(
      { client: this.#objects.client },
      { Bucket: this.#objects.bucket, Prefix: this.#prefix },
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
    return this.#deletions.decide(hash, this.#key(hash), (stored) => isBefore(stored, time));
  }

  async localPath(): Promise<null> {
    return null;
  }

  async publicLink(hash: string, options: PublicLinkOptions): Promise<string> {
    const command = new GetObjectCommand({
      Bucket: this.#objects.bucket,
      Key: this.#key(hash),
      ResponseContentType: options.contentType,
      ResponseContentDisposition: options.contentDisposition,
      ResponseCacheControl: options.cacheControl,
    });
    // As of the last full hour, so that a browser finds again what it has fetched.
    const signingDate = new Date(Math.floor(Date.now() / HOUR) * HOUR);
    try {
      return await getSignedUrl(this.#objects.client, command, { expiresIn: (2 * HOUR) / 1000, signingDate });
    } catch (error) {
      throw bucketError(error);
    }
  }

  async close(): Promise<void> {
    this.#objects.client.destroy();
  }

  #key(hash: string): string {
    return `${this.#prefix}${checkedName(hash)}`;
  }
}

/** Whether a time of the server, in whole seconds, is certainly before another. */
const isBefore = (told: Date | undefined, time: Date): boolean =>
  told !== undefined && told.getTime() + TICK <= time.getTime();
