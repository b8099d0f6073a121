/**
 * @file Downloads one file. A download resumes where an earlier attempt stopped, and the file appears only when it is
 * complete and verified. Until then a partial file lies beside it under a name with the file's hash, so that versions
 * never mix.
 */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { finished } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { pauseAfter } from './backoff.ts';
import { KronaError } from './errors.ts';
import { diskProblem, diskReadOnly, makeAll } from './files.ts';

/** Where files come from, as the codes of errors say it: a hub of models, a registry of packages. */
type Origin = 'HUB' | 'REGISTRY';

/** A file somewhere else, whose size and hash are known. */
export interface RemoteFile {
  /** For messages. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Expected hash, hex digits; `git` is git's SHA-1 of a blob, with its length. */
  readonly hash: { readonly kind: 'sha256' | 'sha512' | 'git'; readonly value: string };
  readonly origin: Origin;
  /**
   * The bytes from `start`. The stream can end early or fail; a KronaError that is retryable starts another attempt.
   */
  bytes(start: number): AsyncIterable<Uint8Array>;
}

export interface DownloadHooks {
  /** Called after every piece with the bytes on the disk. */
  readonly onBytes?: (bytes: number) => void;
  readonly signal?: AbortSignal;
  /** Wait before the next attempt, ms; longer after several in a row without progress. */
  readonly patienceMs?: number;
}

/** Attempts in a row without progress before the download fails. */
const ATTEMPTS = 5;
const PATIENCE_MS = 1000;
const LONGEST_PATIENCE_MS = 60_000;

/**
 * @returns bytes that came over the network; 0 for a file that was there already
 * @throws KronaError HUB_HASH_MISMATCH, REGISTRY_HASH_MISMATCH, HUB_UNREACHABLE, REGISTRY_UNREACHABLE (all retryable), those of
 * `bytes`, DISK_FULL, DISK_READ_ONLY, FILE_UNWRITABLE; the signal's reason when it aborts
 */
export async function downloadTo(file: RemoteFile, path: string, hooks: DownloadHooks = {}): Promise<number> {
  if (await isWhole(path, file)) {
    hooks.onBytes?.(file.size);
    return 0;
  }
  try {
    await makeAll(dirname(path));
    return await fetchAll(file, path, hooks);
  } catch (error) {
    throw asDiskError(error, path);
  }
}

const partialPath = (file: Pick<RemoteFile, 'hash'>, path: string): string =>
  join(dirname(path), `.${basename(path)}.${file.hash.value.slice(0, 16)}.part`);

/** Bytes of a file that are here already, whole or as a part. */
export async function bytesHere(file: Pick<RemoteFile, 'hash' | 'size'>, path: string): Promise<number> {
  for (const each of [path, partialPath(file, path)]) {
    const found = await stat(each).catch(() => null);
    if (found !== null) return Math.min(found.size, file.size);
  }
  return 0;
}

async function fetchAll(
  file: RemoteFile,
  path: string,
  { onBytes, signal, patienceMs = PATIENCE_MS }: DownloadHooks,
): Promise<number> {
  const partial = partialPath(file, path);
  const hash = hashOf(file);
  let have = await hashedSoFar(partial, file, hash);
  let came = 0;
  const output = await open(partial, have === 0 ? 'w' : 'a');
  try {
    onBytes?.(have);
    for (let vain = 0; have < file.size;) {
      const before = have;
      let problem: unknown;
      try {
        for await (const piece of file.bytes(have)) {
          // More bytes than promised mean another file; the hash will fail.
          const kept = piece.subarray(0, file.size - have);
          await output.writeFile(kept);
          hash.update(kept);
          have += kept.length;
          came += kept.length;
          onBytes?.(have);
          if (have === file.size) break;
        }
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof KronaError) || !error.retryable) throw error;
        problem = error;
      }
      if (have === file.size) break;
      vain = have > before ? 0 : vain + 1;
      if (vain >= ATTEMPTS) throw gaveUp(file.origin, file, have, problem);
      const pause = pauseAfter(Math.max(1, vain), { first: patienceMs, longest: LONGEST_PATIENCE_MS });
      await sleep(pause, undefined, signal ? { signal } : {}).catch(() => signal?.throwIfAborted());
    }
    await output.sync();
  } finally {
    await output.close();
  }
  const found = hash.digest('hex');
  if (found !== file.hash.value) {
    await rm(partial, { force: true });
    throw damaged(file.origin, file, found);
  }
  await rename(partial, path);
  return came;
}

/** Whether the file exists with the right bytes. */
async function isWhole(path: string, file: RemoteFile): Promise<boolean> {
  const found = await stat(path).catch(() => null);
  if (found === null || !found.isFile() || found.size !== file.size) return false;
  const hash = hashOf(file);
  await addFile(hash, path);
  return hash.digest('hex') === file.hash.value;
}

/** Bytes of an earlier attempt, which have been hashed when this returns. */
async function hashedSoFar(partial: string, file: RemoteFile, hash: Hash): Promise<number> {
  const found = await stat(partial).catch(() => null);
  if (found === null || found.size > file.size) return 0;
  await addFile(hash, partial);
  return found.size;
}

async function addFile(hash: Hash, path: string): Promise<void> {
  const file = createReadStream(path);
  file.on('data', (piece) => hash.update(piece));
  await finished(file);
}

/** git hashes a blob with its type and length as a prefix. */
function hashOf({ hash, size }: RemoteFile): Hash {
  return hash.kind === 'git' ? createHash('sha1').update(`blob ${size}\0`) : createHash(hash.kind);
}

function damaged(origin: Origin, { path, hash }: RemoteFile, found: string): KronaError {
  return new KronaError(
    `${origin}_HASH_MISMATCH`,
    `${path} has the hash ${found.slice(0, 12)}…, expected ${hash.value.slice(0, 12)}…: it was damaged in transit ` +
      'and was deleted. Run the same command again.',
    { retryable: true },
  );
}

function gaveUp(origin: Origin, file: RemoteFile, have: number, cause: unknown): KronaError {
  const why = cause instanceof KronaError ? ` ${cause.message}` : '';
  return new KronaError(
    `${origin}_UNREACHABLE`,
    `${file.path} stopped at ${have} of ${file.size} bytes, and ${ATTEMPTS} more attempts failed.${why} ` +
      'Run the same command again to resume.',
    { cause, retryable: true },
  );
}

function asDiskError(error: unknown, path: string): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (error instanceof KronaError || !/^E[A-Z]+$/.test(code)) return error;
  const problem = diskProblem(error);
  if (problem === 'read-only') return diskReadOnly(error);
  const full = problem === 'full';
  return new KronaError(
    full ? 'DISK_FULL' : 'FILE_UNWRITABLE',
    full
      ? `There is no space left on the disk for ${basename(path)}. Free some and run the same command again to resume.`
      : `${basename(path)} could not be written (${code}).`,
    { cause: error, retryable: full },
  );
}
