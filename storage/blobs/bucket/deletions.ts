/**
 * @file Deletions that don't race with puts. Nothing can be moved aside in a bucket, so a deletion is announced first: by an
 * object `<prefix>deleting/<hash>`, for which a conditional put (If-None-Match) lets one process through. A put looks for it
 * after the blob is stored.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { bucketError, faultOf } from './errors.ts';
import type { BucketObjects } from './objects.ts';

/** A process that deletes gives up after this time, ms. */
const LONGEST_DELETION = 60_000;
/** A put waits so long for a deletion; one that takes longer has given up or crashed, ms. */
const LONGEST_WAIT = 1.5 * LONGEST_DELETION;
/** Between two looks, ms. */
const LOOK_EVERY = 200;
/** An announcement this old was left by a crash, ms; clocks can differ by a quarter of an hour. */
const STALE = 3600_000;

export class Deletions {
  readonly #objects: BucketObjects;
  readonly #prefix: string;

  constructor(objects: BucketObjects, prefix: string) {
    this.#objects = objects;
    this.#prefix = prefix;
  }

  /**
   * Deletes an object if it is to be deleted, and no other process is deciding the same.
   *
   * @param decide - gets the object's time as the server tells it
   * @returns whether it was deleted
   */
  async decide(hash: string, key: string, decide: (time: Date | undefined) => boolean): Promise<boolean> {
    const giveUp = AbortSignal.timeout(LONGEST_DELETION);
    if (!(await this.#announce(hash))) return false;
    try {
      const head = await this.#objects.head(key);
      if (head === null || !decide(head.LastModified) || giveUp.aborted) return false;
      await this.#objects.delete(key, giveUp);
      return true;
    } finally {
      await this.#objects.delete(this.#announcement(hash));
    }
  }

  /**
   * Waits while a deletion is announced that may not have seen what was just stored. Each that is yet to come sees its new
   * time.
   */
  async over(hash: string): Promise<void> {
    const until = performance.now() + LONGEST_WAIT;
    while ((await this.#objects.head(this.#announcement(hash))) !== null && performance.now() < until)
      await sleep(LOOK_EVERY);
  }

  #announcement(hash: string): string {
    return `${this.#prefix}deleting/${hash}`;
  }

  /** False when another process has announced it. */
  async #announce(hash: string): Promise<boolean> {
    const { client, bucket } = this.#objects;
    const Key = this.#announcement(hash);
    const empty = { Body: '', ContentLength: 0 };
    try {
      await client.send(new PutObjectCommand({ Bucket: bucket, Key, ...empty, IfNoneMatch: '*' }));
      return true;
    } catch (error) {
      // 409: another conditional put of the same name is under way.
      if (![409, 412].includes(faultOf(error).status ?? 0)) throw bucketError(error);
      const other = (await this.#objects.head(Key))?.LastModified;
      // The next sweep gets through.
      if (other !== undefined && Date.now() - other.getTime() > STALE) await this.#objects.delete(Key);
      return false;
    }
  }
}
