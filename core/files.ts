/** @file Small file operations that hold up when two processes do them at the same moment. */
import { randomUUID } from 'node:crypto';
import { access, link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { KronaError } from './errors.ts';

/**
 * Writes a private file (mode 0600) unless it is already there. It appears whole or not at all: of several
 * processes that try, exactly one gets true, and readers never see it half written.
 */
export async function createFileOnce(path: string, text: string): Promise<boolean> {
  await mkdir(dirname(path), { recursive: true });
  const draft = `${path}.${randomUUID()}`;
  await writeFile(draft, text, { mode: 0o600, flag: 'wx' });
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if (isFileError(error, 'EEXIST')) return false;
    throw error;
  } finally {
    await rm(draft);
  }
}

/**
 * Writes a file, and its folder where there is none; it appears whole or not at all, in the place of an earlier one.
 *
 * @throws KronaError FILE_UNWRITABLE
 */
export async function writeWhole(path: string, content: string | Uint8Array): Promise<void> {
  const draft = `${path}.${randomUUID()}`;
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(draft, content);
    await rename(draft, path);
  } catch (cause) {
    throw new KronaError('FILE_UNWRITABLE', `${basename(path)} could not be written.`, { cause });
  }
}

/**
 * Makes a folder, and those above it, where there is none.
 *
 * @throws KronaError FILE_UNWRITABLE
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (cause) {
    const why =
      isFileError(cause, 'EEXIST') || isFileError(cause, 'ENOTDIR')
        ? 'a file is in its place'
        : 'it may not be written';
    throw new KronaError(
      'FILE_UNWRITABLE',
      `The folder ${basename(path)} cannot be made: ${why}; give another.`,
      { cause },
    );
  }
}

/** The file's text, null when there is no such file. */
export async function readFileIfAny(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isFileError(error, 'ENOENT')) return null;
    throw error;
  }
}

/** Whether there is a file or folder that may be read. */
export const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/** Whether an error of node:fs or node:net has this code, e.g. `ENOENT`. */
export function isFileError(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
