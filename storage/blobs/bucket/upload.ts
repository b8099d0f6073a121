/** @file Sends blobs to a bucket: small ones in one request, large ones in parts. Either appears whole or not at all. */
import type { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  CopyObjectCommand,
  ListMultipartUploadsCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import type { Spooled } from '../spool.ts';
import { faultOf, isMissing } from './errors.ts';
import type { BucketObjects } from './objects.ts';

/** Least bytes of a part; S3 takes 10,000 parts. */
const PART = 8 * 1024 * 1024;
const MOST_PARTS = 10_000;
/** Largest object that can be copied in one request, bytes; a larger one is sent again. */
const MOST_COPIED = 5 * 1024 ** 3;
/** Parts of an upload this old were left by a crash, ms. */
const STALE = 24 * 3600_000;

/**
 * Sends a blob, or marks it as stored just now. A small one is sent anyway: that costs no more than to ask.
 *
 * @throws the client's errors
 */
export async function upload(objects: BucketObjects, key: string, blob: Spooled): Promise<void> {
  const { client, bucket } = objects;
  const { bytes, size } = blob;
  const object = { Bucket: bucket, Key: key };
  if (bytes !== null) {
    await client.send(new PutObjectCommand({ ...object, Body: bytes, ContentLength: size }));
    return;
  }
  if (size <= MOST_COPIED && (await touch(objects, key))) return;
  const partSize = Math.max(PART, Math.ceil(size / MOST_PARTS));
  try {
    await new Upload({ client, partSize, params: { ...object, Body: blob.read() as Readable } }).done();
  } catch (error) {
    // The answer to the last request was lost, and the client has asked again.
    if (faultOf(error).code === 'NoSuchUpload' && (await objects.head(key)) !== null) return;
    throw error;
  }
}

/** Marks an object as stored just now, by a copy onto itself; false when it is missing. */
async function touch(objects: BucketObjects, key: string): Promise<boolean> {
  const { client, bucket } = objects;
  if ((await objects.head(key)) === null) return false;
  const itself = { Bucket: bucket, Key: key, CopySource: `${bucket}/${key}` };
  try {
    // S3 takes such a copy only if something changes, such as the metadata, of which there is none.
    await client.send(new CopyObjectCommand({ ...itself, MetadataDirective: 'REPLACE' }));
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/**
 * Removes the parts of unfinished uploads that a crash left: nothing shows them, but they cost. Does nothing where the server
 * can't list them, or the keys may not.
 *
 * @throws the client's errors when the server fails
 */
export async function dropStaleUploads({ client, bucket }: BucketObjects, prefix: string): Promise<void> {
  try {
    const { Uploads = [] } = await client.send(
      new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: prefix }),
    );
    for (const { Key, UploadId, Initiated } of Uploads)
      if (Initiated !== undefined && Date.now() - Initiated.getTime() > STALE)
        await client.send(new AbortMultipartUploadCommand({ Bucket: bucket, Key, UploadId }));
  } catch (error) {
    const { status } = faultOf(error);
    if (status === null || (status >= 500 && status !== 501)) throw error;
  }
}
