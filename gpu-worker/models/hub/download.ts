/**
 * @file Downloads one file from the hub. A download resumes where an earlier attempt stopped, and the file appears only
 * when it is complete and verified. Until then a partial file lies beside it under a name with the file's hash, so that
 * versions never mix.
 */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { finished } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { pauseAfter } from '../../../core/backoff.ts';
import { KronaError } from '../../../core/errors.ts';
import { errorCode } from '../safetensors.ts';
import type { HubClient, HubFile, HubSnapshot } from './hub-client.ts';

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
 * @throws KronaError HUB_* , HUB_HASH_MISMATCH (retryable), DISK_FULL, FILE_UNWRITABLE; the signal's reason when it aborts
 */
export async function downloadTo(
  client: HubClient,
  snapshot: HubSnapshot,
  file: HubFile,
  path: string,
  hooks: DownloadHooks = {},
): Promise<number> {
  if (await isWhole(path, file)) {
    hooks.onBytes?.(file.size);
    return 0;
  }
  try {
    await mkdir(dirname(path), { recursive: true });
    return await fetchAll(client, snapshot, file, path, hooks);
  } catch (error) {
    throw diskProblem(error, path);
  }
}

async function fetchAll(
  client: HubClient,
  snapshot: HubSnapshot,
  file: HubFile,
  path: string,
  { onBytes, signal, patienceMs = PATIENCE_MS }: DownloadHooks,
): Promise<number> {
  const partial = join(dirname(path), `.${basename(path)}.${file.hash.value.slice(0, 16)}.part`);
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
        for await (const piece of client.bytes(snapshot, file, have)) {
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
      if (vain >= ATTEMPTS) throw gaveUp(file, have, problem);
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
    throw new KronaError(
      'HUB_HASH_MISMATCH',
      `${file.path} has the hash ${found.slice(0, 12)}…, expected ${file.hash.value.slice(0, 12)}…: it was damaged in transit ` +
        'and was deleted. Run the same command again.',
      { retryable: true },
    );
  }
  await rename(partial, path);
  return came;
}

/** Whether the file exists with the right bytes. */
async function isWhole(path: string, file: HubFile): Promise<boolean> {
  const found = await stat(path).catch(() => null);
  if (found === null || !found.isFile() || found.size !== file.size) return false;
  const hash = hashOf(file);
  await addFile(hash, path);
  return hash.digest('hex') === file.hash.value;
}

/** Bytes of an earlier attempt, which have been hashed when this returns. */
async function hashedSoFar(partial: string, file: HubFile, hash: Hash): Promise<number> {
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
function hashOf({ hash, size }: HubFile): Hash {
  return hash.kind === 'sha256' ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`);
}

function gaveUp(file: HubFile, have: number, cause: unknown): KronaError {
  const why = cause instanceof KronaError ? ` ${cause.message}` : '';
  return new KronaError(
    'HUB_UNREACHABLE',
    `${file.path} stopped at ${have} of ${file.size} bytes, and ${ATTEMPTS} more attempts failed.${why} ` +
      'Run the same command again to resume.',
    { cause, retryable: true },
  );
}

function diskProblem(error: unknown, path: string): unknown {
  const code = errorCode(error);
  if (error instanceof KronaError || !/^E[A-Z]+$/.test(code)) return error;
  const full = code === 'ENOSPC';
  return new KronaError(
    full ? 'DISK_FULL' : 'FILE_UNWRITABLE',
    full
      ? `There is no space left on the disk for ${basename(path)}. Free some and run the same command again to resume.`
      : `${basename(path)} could not be written (${code}).`,
    { cause: error, retryable: full },
  );
}
