/** @file Small file operations that are safe when two processes run them at the same time. */
import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { access, link, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { KronaError } from './errors.ts';

/**
 * Writes a private file (mode 0600) unless it exists, and makes its folder if needed (0700). Of several processes that try, exactly one gets true, and readers
 * never see a half-written file.
 *
 * @throws KronaError FILE_UNWRITABLE
 */
export async function createFileOnce(path: string, text: string): Promise<boolean> {
  const draft = `${path}.${randomUUID()}`;
  try {
    await makeAll(dirname(path), 0o700);
    await writeFile(draft, text, { mode: 0o600, flag: 'wx' });
    const create = async () =>
      link(draft, path).catch((error: unknown) => {
        if (!WITHOUT_LINKS.some((code) => isFileError(error, code))) throw error;
        return writeFile(path, text, { mode: 0o600, flag: 'wx' });
      });
    return await create().then(
      () => true,
      (error: unknown) => {
        if (isFileError(error, 'EEXIST')) return false;
        throw error;
      },
    );
  } catch (cause) {
    throw unwritable(path, cause);
  } finally {
    await rm(draft, { force: true }).catch(() => {});
  }
}

/** What file systems without hard links answer, such as those of memory sticks. */
const WITHOUT_LINKS = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'];

/** The error for a file or folder that the disk does not take: it is full or read-only, or belongs to another user. */
export function unwritable(path: string, cause: unknown): KronaError {
  const problem = diskProblem(cause);
  if (problem === 'read-only') return diskReadOnly(cause);
  if (problem === 'full')
    return new KronaError(
      'DISK_FULL',
      `There is no space left on the disk for ${basename(path)}. Free some and try again.`,
      { cause, retryable: true },
    );
  return new KronaError(
    'FILE_UNWRITABLE',
    `${basename(path)} could not be written. Check the disk space and the folder's permissions.`,
    { cause },
  );
}

/**
 * Writes a file, replacing an earlier one, and makes its folder if needed. Readers never see a half-written file.
 *
 * @throws KronaError FILE_UNWRITABLE
 */
export async function writeWhole(path: string, content: string | Uint8Array): Promise<void> {
  await checkReplaceable(path);
  const draft = `${path}.${randomUUID()}`;
  try {
    await makeAll(dirname(path));
    await writeFile(draft, content);
    await rename(draft, path);
  } catch (cause) {
    await rm(draft, { force: true }).catch(() => {});
    throw unwritable(path, cause);
  }
}

/**
 * Makes a folder and its parents, unless they exist, in which files can be written.
 *
 * @throws KronaError FILE_UNWRITABLE
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    await makeAll(path);
    await access(path, constants.W_OK);
  } catch (cause) {
    if (diskProblem(cause) !== null) throw unwritable(path, cause);
    const why =
      isFileError(cause, 'EEXIST') || isFileError(cause, 'ENOTDIR')
        ? 'a file has that name'
        : 'writing there failed';
    throw new KronaError(
      'FILE_UNWRITABLE',
      `The folder ${basename(path)} could not be made: ${why}. Choose another folder.`,
      { cause },
    );
  }
}

/**
 * Makes a folder and its parents, unless they exist. Node's own way says ENOENT where a disk is read-only; this tells the true
 * error of node:fs.
 *
 * @param mode - of those that are made; default 0777 without the umask's
 */
export async function makeAll(path: string, mode?: number): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode });
  } catch (error) {
    if (!isFileError(error, 'ENOENT')) throw error;
    let missing = resolve(path);
    while (dirname(missing) !== missing && !(await exists(dirname(missing)))) missing = dirname(missing);
    await mkdir(missing, { mode });
    await mkdir(path, { recursive: true, mode });
  }
}

/** Returns the file's text; null when there is no such file. */
export async function readFileIfAny(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isFileError(error, 'ENOENT') || isFileError(error, 'ENOTDIR')) return null;
    throw error;
  }
}

/** Whether a file or folder exists and is readable. */
export const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/** Whether a path leads to a regular file, also by links: no folder, pipe or device. */
export const isFile = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isFile(),
    () => false,
  );

/**
 * Checks that a file can be written at a path without taking the place of a folder or a device.
 *
 * @returns whether a file is there
 * @throws KronaError FILE_UNWRITABLE
 */
export async function checkReplaceable(path: string): Promise<boolean> {
  if (path === '' || /[/\\]$/.test(path))
    throw new KronaError(
      'FILE_UNWRITABLE',
      `“${path}” is not the path of a file. Give one, such as out/mochi.safetensors.`,
    );
  const found = await stat(path).catch(() => null);
  if (found === null || found.isFile()) return found !== null;
  throw new KronaError(
    'FILE_UNWRITABLE',
    `${basename(path)} is ${found.isDirectory() ? 'a folder' : 'a device or pipe'}, which no file can replace. Give the path of a file.`,
  );
}

/** No space, a user's quota, and a limit of how long files get, by a process or the file system. */
const FULL = ['ENOSPC', 'EDQUOT', 'EFBIG'];

/** What keeps a disk from taking files, by an error of node:fs; null: something else. */
export function diskProblem(error: unknown): 'full' | 'read-only' | null {
  if (FULL.some((code) => isFileError(error, code))) return 'full';
  return isFileError(error, 'EROFS') ? 'read-only' : null;
}

/** The error for a disk that takes nothing any more, as after a fault of its own. */
export const diskReadOnly = (cause: unknown): KronaError =>
  new KronaError(
    'DISK_READ_ONLY',
    'The disk is read-only, so nothing was stored. Make it writable and try again.',
    { cause, retryable: true },
  );

/** Whether an error of node:fs or node:net has this code, such as `ENOENT`. */
export function isFileError(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
