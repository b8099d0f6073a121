/**
 * @file Photos that arrived ahead of their message, or with a request of the REST API: files in a folder of their own, until the
 * command has read them. A restart drops them, and the page sends them again.
 */
import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Attachment } from '../commands/contract.ts';
import { KronaError } from '../core/errors.ts';
import { diskProblem, diskReadOnly } from '../core/files.ts';
import { MAX_PHOTO_BYTES, MAX_PHOTOS } from './upload-limits.ts';

/** Files of one member that can wait for their message, where the oldest make room for new ones, and that can arrive. */
const MOST_WAITING = 3 * MAX_PHOTOS;
/** Bytes of waiting files: of one member, and in all. */
const MOST_BYTES = { member: 8 * MAX_PHOTO_BYTES, all: 64 * MAX_PHOTO_BYTES };
/** A message that does not come within this will not come, ms. */
const LONGEST_WAIT = 2 * 3_600_000;

export interface Upload extends Attachment {
  readonly id: string;
  readonly memberId: string;
  readonly path: string;
  /** When it arrived, ms of the monotonic clock. */
  readonly at: number;
}

/** What takes room. */
interface Bytes {
  readonly memberId: string;
  readonly size: number;
}

export class Uploads {
  readonly #folder: string;
  readonly #most: typeof MOST_BYTES;
  readonly #waiting = new Map<string, Upload>();
  /** Files that have not fully arrived. */
  readonly #arriving = new Set<Bytes>();

  private constructor(folder: string, most: typeof MOST_BYTES) {
    this.#folder = folder;
    this.#most = most;
  }

  /** Opens the folder, emptied of what an earlier process left. */
  static async open(folder: string, most = MOST_BYTES): Promise<Uploads> {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    return new Uploads(folder, most);
  }

  /** Takes in a file. @throws KronaError ATTACHMENT_TOO_LARGE, UPLOADS_FULL, DISK_FULL */
  async add(memberId: string, fileName: string, bytes: Readable): Promise<Upload> {
    if ([...this.#arriving].filter((other) => other.memberId === memberId).length >= MOST_WAITING)
      throw full();
    const id = randomUUID();
    const path = join(this.#folder, id);
    const arriving = { memberId, size: 0 };
    const measured = new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        arriving.size += chunk.length;
        if (arriving.size > MAX_PHOTO_BYTES) done(tooLarge(fileName));
        else if (!this.#hasRoom(memberId)) done(full());
        else done(null, chunk);
      },
    });
    this.#arriving.add(arriving);
    try {
      await pipeline(bytes, measured, createWriteStream(path));
    } catch (error) {
      await rm(path, { force: true }).catch(() => undefined);
      const problem = diskProblem(error);
      if (problem === 'read-only') throw diskReadOnly(error);
      throw problem === 'full' ? diskFull(error) : error;
    } finally {
      this.#arriving.delete(arriving);
    }
    const upload: Upload = {
      id,
      memberId,
      path,
      at: performance.now(),
      fileName,
      size: arriving.size,
      read: () =>
        readFile(path).catch((cause: unknown) => {
          throw new KronaError('ATTACHMENT_GONE', `${fileName} is no longer stored. Send it again.`, {
            cause,
          });
        }),
    };
    this.#waiting.set(id, upload);
    const waiting = [...this.#waiting.values()];
    const old = waiting.filter((other) => other.at < performance.now() - LONGEST_WAIT);
    const own = waiting.filter((other) => other.memberId === memberId);
    await this.release([...old, ...own.slice(0, -MOST_WAITING)]);
    return upload;
  }

  /** Whether what waits and what arrives is within the limits, also without files of members who have more. */
  #hasRoom(memberId: string): boolean {
    for (;;) {
      const waiting = [...this.#waiting.values()].filter(({ at }) => at >= performance.now() - LONGEST_WAIT);
      const sums = new Map<string, number>();
      for (const { memberId, size } of [...waiting, ...this.#arriving])
        sums.set(memberId, (sums.get(memberId) ?? 0) + size);
      const bytesOf = (member: string) => sums.get(member) ?? 0;
      if (bytesOf(memberId) > this.#most.member) return false;
      if ([...sums.values()].reduce((sum, size) => sum + size, 0) <= this.#most.all) return true;
      // Few can't keep everybody else from sending: whoever has the most loses the oldest.
      const [oldest] = waiting.toSorted((a, b) => bytesOf(b.memberId) - bytesOf(a.memberId) || a.at - b.at);
      if (oldest === undefined || bytesOf(oldest.memberId) <= bytesOf(memberId)) return false;
      void this.release([oldest]).catch(() => {});
    }
  }

  /** A member's uploads by id, in that order. @throws KronaError UPLOAD_GONE */
  find(memberId: string, ids: readonly string[]): Upload[] {
    return ids.map((id) => {
      const upload = this.#waiting.get(id);
      if (upload?.memberId === memberId) return upload;
      throw new KronaError(
        'UPLOAD_GONE',
        'The photos are gone: Krona has restarted, or many photos waited. Send the message again.',
      );
    });
  }

  async release(uploads: readonly Upload[]): Promise<void> {
    for (const { id, path } of uploads) {
      this.#waiting.delete(id);
      await rm(path, { force: true });
    }
  }
}

const full = (): KronaError =>
  new KronaError(
    'UPLOADS_FULL',
    'Too many photos wait for their messages. Send the message with the earlier photos, then try again.',
  );

const diskFull = (cause: unknown): KronaError =>
  new KronaError(
    'DISK_FULL',
    'The disk of the bot is full, so the photo was not stored. Tell its administrator.',
    {
      cause,
      retryable: true,
    },
  );

/** A file's name as somebody sends it, without folders and invisible characters. */
export function cleanFileName(sent: string): string {
  const last =
    sent
      .replace(/\p{C}+/gu, '')
      .split(/[\\/]/)
      .at(-1) ?? '';
  return last.trim().slice(0, 120) || 'photo';
}

export function tooLarge(fileName: string): KronaError {
  return new KronaError(
    'ATTACHMENT_TOO_LARGE',
    `${fileName} is larger than ${MAX_PHOTO_BYTES / 1024 ** 2} MiB. Send a smaller copy.`,
  );
}
