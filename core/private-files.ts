/** @file Keeps what Krona stores from other users of the machine: folders 0700, files 0600. */
import { chmod, lstat, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isFileError, makeAll, unwritable } from './files.ts';

/** Permissions that other users and the group lose. */
const OTHERS = 0o077;

/** Files and folders that this process and its children make from now on belong only to this user. */
export function makeFilesPrivate(): void {
  process.umask(OTHERS);
}

/**
 * Makes a folder that only this user can enter, unless it exists, and takes the permissions of others from everything in
 * it: an earlier release or an unpacked backup can have left some. Links are not followed.
 *
 * @returns false when something in it belongs to another user, so that its permissions stay
 * @throws KronaError FILE_UNWRITABLE
 */
export async function makePrivateFolder(folder: string): Promise<boolean> {
  await makeAll(folder, 0o700).catch((cause: unknown) => {
    throw unwritable(folder, cause);
  });
  return close(folder);
}

async function close(path: string): Promise<boolean> {
  const info = await lstat(path).catch(unlessGone);
  if (info === null || info.isSymbolicLink()) return true;
  let closed =
    (info.mode & OTHERS) === 0 ||
    (await chmod(path, info.mode & ~OTHERS & 0o777).then(
      () => true,
      (error: unknown) => unlessGone(error) === null && !FORBIDDEN.some((code) => isFileError(error, code)),
    ));
  if (!info.isDirectory()) return closed;
  for (const name of (await readdir(path).catch(unlessGone)) ?? [])
    closed = (await close(join(path, name))) && closed;
  return closed;
}

/** Another process of Krona can delete a file at the same time, and another user's files stay as they are. */
function unlessGone(error: unknown): null {
  if (['ENOENT', ...FORBIDDEN].some((code) => isFileError(error, code))) return null;
  throw error;
}

const FORBIDDEN = ['EPERM', 'EACCES', 'EROFS'];

/** Whether only this user, or the system's administrator, can write into a folder; also one that is missing. */
export async function isOwnFolder(folder: string): Promise<boolean> {
  const info = await stat(folder).catch(() => null);
  const user = process.getuid?.();
  if (info === null || user === undefined) return true;
  return (info.uid === user || info.uid === 0) && (info.mode & 0o022) === 0;
}
