/** @file The client of a bucket. */
import { S3Client } from '@aws-sdk/client-s3';
import type { BucketAccess } from '../../../core/environment.ts';

/** Tries of a request, with pauses that grow: broken connections, timeouts, SlowDown and other answers from 500. */
const TRIES = 5;

/** Connects nothing yet. */
export function bucketClient({ endpoint, region, keys }: BucketAccess): S3Client {
  return new S3Client({
    // Servers of one's own seldom have regions and names for each bucket.
    ...(endpoint !== null && { endpoint, forcePathStyle: true, region: region ?? 'us-east-1' }),
    ...(region !== null && { region }),
    ...(keys !== null && { credentials: keys }),
    maxAttempts: TRIES,
    // The signature has a hash of the body already, and not every server knows S3's newer checksums.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: 5_000,
      requestTimeout: 60_000,
      throwOnRequestTimeout: true,
      socketTimeout: 30_000,
    },
  });
}
