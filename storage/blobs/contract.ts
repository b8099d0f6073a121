/** @file Bytes by content: photos, pictures, adapters. Adapters: a folder; later an S3-compatible store. */
import type { Readable } from 'node:stream';

export interface BlobInfo {
  /** Lower-case hex SHA-256 of the bytes: the blob's name. */
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

export interface BlobStore {
  /**
   * Stores bytes (idempotent: the same bytes are kept once, and count as put now). Atomic: a crash leaves no
   * half-written blob.
   */
  put(bytes: Uint8Array | Readable): Promise<BlobInfo>;
  /** null when there is no such blob. */
  stat(hash: string): Promise<BlobInfo | null>;
  /** @throws KronaError BLOB_NOT_FOUND */
  get(hash: string): Promise<Uint8Array>;
  /** @throws KronaError BLOB_NOT_FOUND */
  stream(hash: string, range?: BlobRange): Promise<Readable>;
  /** Removes a blob; nothing happens when it is not there. */
  delete(hash: string): Promise<void>;
  /** Hashes of all blobs that were put before a time, in any order. */
  putBefore(time: Date): AsyncIterable<string>;
  /** Removes a blob unless it was put again since a time, however close both are. True when it was removed. */
  deleteOlder(hash: string, time: Date): Promise<boolean>;
  /** A path that a process on this machine can read, when the store has one (a folder does), else null. */
  localPath(hash: string): Promise<string | null>;
  close(): Promise<void>;
}
