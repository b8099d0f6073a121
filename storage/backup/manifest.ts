/** @file What a backup is, in its file `krona-backup.json`. That is written last, so a folder without it is no backup. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { KronaError } from '../../core/errors.ts';
import { readFileIfAny, writeWhole } from '../../core/files.ts';

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

/** The file of a table. */
export const tableFile = (folder: string, name: string): string =>
  join(folder, 'database', `${name}.ndjson.gz`);

export const blobFolder = (folder: string): string => join(folder, 'blobs');

export async function writeManifest(folder: string, manifest: Omit<Manifest, 'format'>): Promise<void> {
  await writeWhole(join(folder, FILE), `${JSON.stringify({ format: FORMAT, ...manifest }, null, 2)}\n`);
}

export async function dropManifest(folder: string): Promise<void> {
  await rm(join(folder, FILE), { force: true });
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
