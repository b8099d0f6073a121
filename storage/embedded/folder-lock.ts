/**
 * @file Who owns the embedded database of a data folder: one file that names the owning process and where it
 * listens. A file left by a process that has died is taken over.
 */
import { randomUUID } from 'node:crypto';
import { readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { KronaError } from '../../core/errors.ts';
import { createFileOnce, isFileError, readFileIfAny } from '../../core/files.ts';

export interface Owner {
  readonly pid: number;
  /** Tells this process from a later one with the same pid; '' where the system does not say. */
  readonly born: string;
  /** Folder of the Unix socket. */
  readonly socketFolder: string;
}

const lockPath = (dataFolder: string): string => join(dataFolder, 'database.lock');

/**
 * Makes this process the owner; the returned function gives the folder up.
 *
 * @throws KronaError DATA_FOLDER_IN_USE when another living process owns it.
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

/** The living owner of the folder's database, null when nobody serves it. */
export async function folderOwner(dataFolder: string): Promise<Owner | null> {
  const text = await readFileIfAny(lockPath(dataFolder));
  return text === null ? null : livingOwner(text);
}

/** Removes a dead owner's file. Moving is atomic: of several that found it, one gets it. */
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
  // Somebody else had already replaced it: that owner lives, so put its file back and leave.
  if (text !== expected) {
    await createFileOnce(path, text);
    throw inUse();
  }
}

/** The owner that a lock file names, if it lives. */
async function livingOwner(text: string): Promise<Owner | null> {
  // A power cut may have emptied the file.
  if (text === '') return null;
  const owner = JSON.parse(text) as Owner;
  return isRunning(owner.pid) && (await birth(owner.pid)) === owner.born ? owner : null;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // It runs, as another user.
    return isFileError(error, 'EPERM');
  }
}

/** When a process started, in clock ticks since boot (Linux: field 22 of /proc/PID/stat), '' elsewhere. */
async function birth(pid: number): Promise<string> {
  const stat = await readFileIfAny(`/proc/${pid}/stat`).catch(() => null);
  // The second field is the program's name in brackets and may itself hold spaces and brackets.
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

function inUse(): KronaError {
  return new KronaError(
    'DATA_FOLDER_IN_USE',
    "Another process already serves the data folder's database; stop that one, or give this one another folder with KRONA_DATA.",
  );
}
