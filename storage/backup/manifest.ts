/** @file What a backup is, in its file `krona-backup.json`. That is written last, so a folder without it is no backup. */
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { KronaError } from '../../core/errors.ts';
import { readFileIfAny, unwritable, writeWhole } from '../../core/files.ts';

/** Grows when older releases can't read it. */
const FORMAT = 1;
const FILE = 'krona-backup.json';

const COUNT = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const MANIFEST = v.object({
  format: v.number(),
  /** Of this backup. It becomes part of a statement, so nothing else than a UUID can be one. */
  id: v.pipe(v.string(), v.uuid()),
  /** The release that made it. */
  krona: v.string(),
  /** ISO 8601: when the database was as it is here. */
  at: v.string(),
  /** Number of the database's last migration. */
  migration: COUNT,
  tables: v.array(
    v.object({
      name: v.pipe(v.string(), v.regex(/^[a-z_]+$/)),
      rows: COUNT,
      /** Of the file, hex. */
      sha256: v.string(),
    }),
  ),
  /** The last number that each sequence gave, by its name. */
  sequences: v.record(v.pipe(v.string(), v.regex(/^[a-z_]+$/)), COUNT),
  /** How many files there are, and the hashes of those that were missing when the backup was made. */
  blobs: v.object({ count: COUNT, missing: v.array(v.string()) }),
});

export type Manifest = v.InferOutput<typeof MANIFEST>;

/** A table of a backup. */
export type DumpedTable = Manifest['tables'][number];

const tableFolder = (folder: string): string => join(folder, 'database');

/** The file of a table. */
export const tableFile = (folder: string, name: string): string =>
  join(tableFolder(folder), `${name}.ndjson.gz`);

export const blobFolder = (folder: string): string => join(folder, 'blobs');

/** Where the next backup's tables are written, as folders of backups have them. The last one stays until they are whole. */
export const draftFolder = (folder: string): string => join(folder, 'next');

/**
 * Puts the tables of the draft folder in the place of the last backup's, with the manifest. All is written before the last
 * backup is touched, so that a disk without room leaves that as it was. Between, the folder is no backup.
 *
 * @throws KronaError DISK_FULL, DISK_READ_ONLY, FILE_UNWRITABLE
 */
export async function replaceBackup(folder: string, manifest: Omit<Manifest, 'format'>): Promise<void> {
  const draft = draftFolder(folder);
  const tables = tableFolder(folder);
  const file = join(folder, FILE);
  await writeWhole(join(draft, FILE), `${JSON.stringify({ format: FORMAT, ...manifest }, null, 2)}\n`);
  try {
    await rm(file, { force: true });
    await rm(tables, { recursive: true, force: true });
    await rename(tableFolder(draft), tables);
    await rename(join(draft, FILE), file);
    await rm(draft, { recursive: true });
  } catch (cause) {
    throw unwritable(file, cause);
  }
}

/** Removes what an interrupted backup has left. @throws KronaError DISK_READ_ONLY, FILE_UNWRITABLE */
export async function dropDraft(folder: string): Promise<void> {
  const draft = draftFolder(folder);
  await rm(draft, { recursive: true, force: true }).catch((cause: unknown) => {
    throw unwritable(draft, cause);
  });
}

/** @throws KronaError BACKUP_MISSING, BACKUP_DAMAGED, BACKUP_NEWER */
export async function readManifest(folder: string): Promise<Manifest> {
  const text = await readFileIfAny(join(folder, FILE));
  if (text === null)
    throw new KronaError(
      'BACKUP_MISSING',
      `The folder has no ${FILE}: it is no backup, or the backup was interrupted. Give \`krona backup\` the same folder again to finish it.`,
    );
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), MANIFEST), text);
  if (!parsed.success) throw new KronaError('BACKUP_DAMAGED', `${FILE} is damaged. Use another backup.`);
  if (parsed.output.format > FORMAT)
    throw new KronaError(
      'BACKUP_NEWER',
      'A newer release of Krona made this backup. Restore it with that release.',
    );
  return parsed.output;
}
