/**
 * @file What a backup is, in its file `krona-backup.json`, which names the folder of its tables. It is written last, so a folder
 * without it is no backup, and its one renaming makes the next backup of the last one.
 */
import { readdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import * as v from 'valibot';
import { KronaError } from '../../core/errors.ts';
import { readFileIfAny, unwritable, writeWhole } from '../../core/files.ts';

/** Grows when older releases can't read it. The first had its tables in `database`, whichever backup it was. */
const FORMAT = 2;
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

/** Where the tables of a backup are. @param folder - of the backup */
export const tableFolder = (folder: string, { format, id }: Pick<Manifest, 'format' | 'id'>): string =>
  join(folder, format === 1 ? 'database' : `database-${id}`);

/** The file of a table. @param tables - the folder of the tables */
export const tableFile = (tables: string, name: string): string => join(tables, `${name}.ndjson.gz`);

export const blobFolder = (folder: string): string => join(folder, 'blobs');

/** Folders of tables, and where the first format's backups began. */
const TABLES = /^(?:next|database(?:-[0-9a-f-]{36})?)$/;

/** A backup that is about to be written, with the folder of its tables. */
export const newBackup = (folder: string, id: string): { readonly id: string; readonly tables: string } => ({
  id,
  tables: tableFolder(folder, { format: FORMAT, id }),
});

/**
 * Makes the tables of a new backup those of the folder, in the place of the last backup's, by one renaming. A disk without room
 * leaves the last one as it was.
 *
 * @throws KronaError DISK_FULL, DISK_READ_ONLY, FILE_UNWRITABLE
 */
export async function replaceBackup(folder: string, manifest: Omit<Manifest, 'format'>): Promise<void> {
  await writeWhole(join(folder, FILE), `${JSON.stringify({ format: FORMAT, ...manifest }, null, 2)}\n`);
  await dropOtherTables(folder);
}

/**
 * Removes tables that the folder's backup does not name: an interrupted backup's, or the last one's. Without a backup that can be
 * read, none are.
 *
 * @throws KronaError DISK_READ_ONLY, FILE_UNWRITABLE
 */
export async function dropOtherTables(folder: string): Promise<void> {
  const text = await readFileIfAny(join(folder, FILE));
  const { success, output } = v.safeParse(v.pipe(v.string(), v.parseJson(), MANIFEST), text ?? '');
  if (text !== null && !success) return;
  const own = success ? basename(tableFolder(folder, output)) : null;
  try {
    for (const name of await readdir(folder))
      if (TABLES.test(name) && name !== own) await rm(join(folder, name), { recursive: true, force: true });
  } catch (cause) {
    throw unwritable(folder, cause);
  }
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
