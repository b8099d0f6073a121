/** @file Single objects of a bucket. */
import {
  DeleteObjectCommand,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  type S3Client,
} from '@aws-sdk/client-s3';
import { bucketError, faultOf, isMissing } from './errors.ts';

export class BucketObjects {
  readonly client: S3Client;
  readonly bucket: string;

  constructor(client: S3Client, bucket: string) {
    this.client = client;
    this.bucket = bucket;
  }

  /** What is known about an object; null when it is missing. @throws KronaError BLOBS_* */
  async head(key: string, again = true): Promise<HeadObjectCommandOutput | null> {
    try {
      return await this.client.send(new HeadObjectCommand({ Bucket: this.bucket, Key: key }));
    } catch (error) {
      if (isMissing(error)) return null;
      // An answer to HEAD has no code. This one comes also when the clock was just set, which the client has seen by now.
      if (again && faultOf(error).status === 403) return this.head(key, false);
      throw bucketError(error);
    }
  }

  /** Does nothing when it is missing. @throws KronaError BLOBS_* */
  async delete(key: string, abortSignal?: AbortSignal): Promise<void> {
    const command = new DeleteObjectCommand({ Bucket: this.bucket, Key: key });
    try {
      await this.client.send(command, { ...(abortSignal && { abortSignal }) });
    } catch (error) {
      if (!isMissing(error)) throw bucketError(error);
    }
  }
}
