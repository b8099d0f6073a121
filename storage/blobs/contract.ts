/** @file Files named by their content: photos, pictures, adapters. In a folder, in PostgreSQL or in an S3 bucket. */
import type { Readable } from 'node:stream';

export interface BlobInfo {
  /** The blob's name: SHA-256 of its bytes, lower-case hex. */
  readonly hash: string;
  /** Bytes. */
  readonly size: number;
}

export interface BlobRange {
  /** First byte, from 0. */
  readonly start: number;
  /** Last byte, inclusive. */
  readonly end: number;
}

/** What a browser is told about a blob that it fetches from the store itself. */
export interface PublicLinkOptions {
  readonly contentType: string;
  readonly contentDisposition: string;
  readonly cacheControl: string;
}

export interface BlobStore {
  /**
   * Stores bytes. The same bytes are stored once, with the time of the last call. Atomic: a crash leaves no
   * half-written blob.
   */
  put(bytes: Uint8Array | Readable): Promise<BlobInfo>;
  /** Returns null when there is no such blob. */
  stat(hash: string): Promise<BlobInfo | null>;
  /** @throws KronaError BLOB_NOT_FOUND */
  get(hash: string): Promise<Uint8Array>;
  /** @throws KronaError BLOB_NOT_FOUND */
  stream(hash: string, range?: BlobRange): Promise<Readable>;
  /** Deletes a blob; does nothing when it is missing. */
  delete(hash: string): Promise<void>;
  /** Yields the hashes of all blobs that were last put before a time, in any order. */
  putBefore(time: Date): AsyncIterable<string>;
  /** Deletes a blob unless it was put again since a time, without a race between both. True when it was deleted. */
  deleteOlder(hash: string, time: Date): Promise<boolean>;
  /** A path that a process on this machine can read; null when the store has none, or the blob is missing. */
  localPath(hash: string): Promise<string | null>;
  /**
   * An address at which anybody can read the blob for one to two hours, the same within an hour; null when the store
   * has none. The blob can be missing.
   */
  publicLink(hash: string, options: PublicLinkOptions): Promise<string | null>;
  close(): Promise<void>;
}
