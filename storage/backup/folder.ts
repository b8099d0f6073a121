/**
 * @file The folder of a backup, before anything in it is changed: a backup deletes what it doesn't need, so the folder must
 * be empty or have a backup in it, and nobody else may write one there meanwhile.
 */
import { readdir, realpath } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import type { Config } from '../../core/config.ts';
import { KronaError } from '../../core/errors.ts';
import { isFileError } from '../../core/files.ts';
import { makePrivateFolder } from '../../core/private-files.ts';
import { makeTemporarySocketFolder } from '../embedded/database.ts';
import { lockFolder } from '../embedded/folder-lock.ts';

const TABLES = /^(?:\..*|[a-z_]+\.ndjson\.gz)$/;

/** Names in the folder of a backup and in folders of it, also those of drafts. Systems add hidden files and lost+found. */
const OWN: Readonly<Record<string, RegExp>> = {
  '': /^(?:\..*|lost\+found|database(?:-[0-9a-f-]{36})?|blobs|next|(?:krona-backup\.json|backup\.lock\.\d+)(?:\.[0-9a-f-]{36})?)$/,
  next: /^(?:\..*|database|krona-backup\.json(?:\.[0-9a-f-]{36})?)$/,
  'next/database': TABLES,
  blobs: /^(?:\..*|[0-9a-f]{2}|drafts)$/,
};

/**
 * Makes the folder of a backup, or opens it for another one, and keeps others from it.
 *
 * @returns what lets others in again
 * @throws KronaError BACKUP_IN_DATA_FOLDER, BACKUP_FOLDER_NOT_EMPTY, BACKUP_FOLDER_IN_USE, FILE_UNWRITABLE
 */
export async function takeBackupFolder(
  given: string,
  { dataFolder, blobs }: Pick<Config, 'dataFolder' | 'blobs'>,
): Promise<() => Promise<void>> {
  const folder = await realPath(given);
  for (const own of [dataFolder, ...(blobs.kind === 'folder' ? [blobs.folder] : [])])
    if (isIn(folder, await realPath(own)))
      throw new KronaError(
        'BACKUP_IN_DATA_FOLDER',
        'The backup would be in the data folder, and be lost with it. Give another folder, best on another disk.',
      );
  for (const [inside, names] of Object.entries(OWN))
    for (const name of await namesIn(join(folder, inside)))
      if (!names.test(name)) throw notEmpty(join(inside, name));
  for (const tables of (await namesIn(folder)).filter((name) => name.startsWith('database')))
    for (const name of await namesIn(join(folder, tables)))
      if (!TABLES.test(name)) throw notEmpty(join(tables, name));
  await makePrivateFolder(folder);
  return lockFolder(folder, await makeTemporarySocketFolder(folder), {
    name: 'backup.lock',
    inUse: () =>
      new KronaError(
        'BACKUP_FOLDER_IN_USE',
        'Another backup is being written into this folder. Wait for it, or give another folder.',
      ),
  });
}

const notEmpty = (name: string): KronaError =>
  new KronaError(
    'BACKUP_FOLDER_NOT_EMPTY',
    `The folder has something in it that is no backup: ${name}. Give a new folder, or that of an earlier backup.`,
  );

/** A path without links, also of a folder that does not exist yet. */
async function realPath(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (!isFileError(error, 'ENOENT') || dirname(path) === path) throw error;
    return join(await realPath(dirname(resolve(path))), relative(dirname(resolve(path)), resolve(path)));
  }
}

function isIn(path: string, folder: string): boolean {
  const inside = relative(folder, path);
  return !inside.startsWith('..') && !isAbsolute(inside);
}

async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch((error: unknown) => {
    if (isFileError(error, 'ENOENT') || isFileError(error, 'ENOTDIR')) return [];
    throw error;
  });
}
