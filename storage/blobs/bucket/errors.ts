/**
 * @file What went wrong at a bucket, by the codes of S3 (API reference, "Error responses"). The client's own errors don't
 * go further: they repeat requests, with keys and tokens in them.
 */
import { KronaError } from '../../../core/errors.ts';
import { blobMissing } from '../name.ts';

interface BucketFault {
  /** S3's code, the client's, or Node's, such as `SlowDown` or `ECONNREFUSED`. */
  readonly code: string;
  /** Of HTTP; null when no answer came. */
  readonly status: number | null;
  /** By which the server's log names the request. */
  readonly request: string | null;
}

/** Takes apart what the client threw. */
export function faultOf(error: unknown): BucketFault {
  const { name, code, $metadata } = error as {
    readonly name?: string;
    readonly code?: string;
    readonly $metadata?: { readonly httpStatusCode?: number; readonly requestId?: string };
  };
  // Without an answer the name says only `Error`.
  const status = $metadata?.httpStatusCode ?? null;
  return {
    code: (status === null ? code : undefined) ?? name ?? 'unknown',
    status,
    request: $metadata?.requestId ?? null,
  };
}

/** Whether there is no such object. An answer without a body, to HEAD, says the same for a missing bucket. */
export const isMissing = (error: unknown): boolean => {
  const { code, status } = faultOf(error);
  return status === 404 && code !== 'NoSuchBucket';
};

interface Kind {
  readonly codes: RegExp;
  readonly toError: (fault: BucketFault, cause: Error) => KronaError;
}

const KINDS: readonly Kind[] = [
  {
    codes: /^NoSuchBucket$/,
    toError: (_, cause) =>
      new KronaError(
        'BLOBS_BUCKET_MISSING',
        'The bucket that KRONA_BLOBS names does not exist. Create it, or correct KRONA_BLOBS, AWS_REGION or AWS_ENDPOINT_URL.',
        { cause },
      ),
  },
  {
    codes:
      /^(PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraintException|301)$|Region is missing/,
    toError: (_, cause) =>
      new KronaError('BLOBS_REGION_WRONG', 'The bucket is in another region. Set AWS_REGION to its region.', {
        cause,
      }),
  },
  {
    codes:
      /^(InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|InvalidToken|TokenRefreshRequired|CredentialsProviderError)$/,
    toError: ({ code }, cause) =>
      new KronaError(
        'BLOBS_KEYS_WRONG',
        `The blob store does not accept the keys (${code}). Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.`,
        { cause },
      ),
  },
  {
    codes: /^(RequestTimeTooSkewed|RequestExpired)$/,
    toError: (_, cause) =>
      new KronaError(
        'BLOBS_CLOCK_WRONG',
        "This machine's clock differs from the blob store's by more than 15 minutes. Set the clock.",
        { cause },
      ),
  },
  {
    codes: /^(QuotaExceeded|QuotaExceededException|XMinioStorageFull|507)$/,
    toError: (_, cause) =>
      new KronaError(
        'DISK_FULL',
        'The blob store is full, so nothing was stored. Free some space and try again.',
        {
          cause,
          retryable: true,
        },
      ),
  },
  {
    codes: /^(AccessDenied|AllAccessDisabled|AccountProblem|403)$/,
    toError: (_, cause) =>
      new KronaError(
        'BLOBS_DENIED',
        'The blob store denies access. The keys need s3:ListBucket on the bucket, and s3:GetObject, s3:PutObject and s3:DeleteObject on what is in it.',
        { cause },
      ),
  },
  {
    codes: /^(SlowDown|Throttling|ThrottlingException|RequestTimeout|TimeoutError|429|5..|none)$/,
    toError: ({ code }, cause) =>
      new KronaError(
        'BLOBS_UNREACHABLE',
        `The blob store does not answer, or not in time (${code}). Check that it is running, and AWS_ENDPOINT_URL.`,
        { cause, retryable: true },
      ),
  },
];

/** The KronaError for what the client threw. @param hash - the blob that was asked for, if one was */
export function bucketError(error: unknown, hash?: string): KronaError {
  if (error instanceof KronaError) return error;
  if (hash !== undefined && isMissing(error)) return blobMissing(hash);
  const fault = faultOf(error);
  const { code, status, request } = fault;
  const cause = new Error(
    [code, status === null ? 'no answer' : `HTTP ${status}`, request === null ? [] : `request ${request}`]
      .flat()
      .join(', '),
  );
  const message = error instanceof Error ? error.message : '';
  const said = [code, message, status === null ? 'none' : String(status)];
  for (const { codes, toError } of KINDS)
    if (said.some((each) => codes.test(each))) return toError(fault, cause);
  return new KronaError(
    'BLOBS_REFUSED',
    `The blob store refused a request: ${code}, HTTP ${status}. Its documentation may say which rule that breaks.`,
    { cause },
  );
}
