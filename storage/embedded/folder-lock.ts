/**
 * @file The owner of a data folder's embedded database: one file with the owning process and its socket folder. A
 * file left by a process that has died is taken over.
 */
import { randomUUID } from 'node:crypto';
import { readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { KronaError } from '../../core/errors.ts';
import { createFileOnce, isFileError, readFileIfAny } from '../../core/files.ts';

interface Owner {
  readonly pid: number;
  /** Start time: tells this process from a later one with the same pid; '' where the system does not provide it. */
  readonly born: string;
  /** Folder of the Unix socket. */
  readonly socketFolder: string;
}

const lockPath = (dataFolder: string): string => join(dataFolder, 'database.lock');

/**
 * Makes this process the owner; the returned function releases the folder.
 *
 * @throws KronaError DATA_FOLDER_IN_USE when another running process owns it
 */
export async function lockFolder(dataFolder: string, socketFolder: string): Promise<() => Promise<void>> {
  const path = lockPath(dataFolder);
  const mine: Owner = { pid: process.pid, born: await birth(process.pid), socketFolder };
  const text = JSON.stringify(mine);
  while (!(await createFileOnce(path, text))) {
    const theirs = await readFileIfAny(path);
    if (theirs === null) continue;
    if (await livingOwner(theirs)) throw inUse();
    await removeStale(path, theirs);
  }
  return async () => {
    if ((await readFileIfAny(path)) === text) await rm(path);
  };
}

/** Returns the running owner of the folder's database, null when there is none. */
export async function folderOwner(dataFolder: string): Promise<Owner | null> {
  const text = await readFileIfAny(lockPath(dataFolder));
  return text === null ? null : livingOwner(text);
}

/** Removes a dead owner's file. Renaming is atomic: of several processes, one succeeds. */
async function removeStale(path: string, expected: string): Promise<void> {
  const moved = `${path}.${randomUUID()}`;
  try {
    await rename(path, moved);
  } catch (error) {
    if (isFileError(error, 'ENOENT')) return;
    throw error;
  }
  const text = await readFile(moved, 'utf8');
  await rm(moved);
  // Another process had already replaced it: that owner is running, so its file goes back.
  if (text !== expected) {
    await createFileOnce(path, text);
    throw inUse();
  }
}

/** Returns the owner in a lock file if its process is running. */
async function livingOwner(text: string): Promise<Owner | null> {
  // A power cut can leave the file empty.
  if (text === '') return null;
  const owner = JSON.parse(text) as Owner;
  return isRunning(owner.pid) && (await birth(owner.pid)) === owner.born ? owner : null;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // The process exists and belongs to another user.
    return isFileError(error, 'EPERM');
  }
}

/** Returns when a process started, in clock ticks since boot (Linux: field 22 of /proc/PID/stat), '' elsewhere. */
async function birth(pid: number): Promise<string> {
  const stat = await readFileIfAny(`/proc/${pid}/stat`).catch(() => null);
  // The second field is the program's name in brackets, which can itself contain spaces and brackets.
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

function inUse(): KronaError {
  return new KronaError(
    'DATA_FOLDER_IN_USE',
    'Another process already uses this data folder. Stop it, or set KRONA_DATA to another folder.',
  );
}
