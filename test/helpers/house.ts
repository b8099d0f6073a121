/** @file Krona's storage for one test file: embedded database, queue and blob folder in a folder of their own. */
import { createHash } from 'node:crypto';
import { cp, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Config, readConfig } from '../../core/config.ts';
import { startEmbeddedDatabase } from '../../storage/embedded/database.ts';
import { openStorage, type Storage } from '../../storage/open.ts';
import { exists } from '../../core/files.ts';

export interface TestHouse {
  readonly config: Config;
  readonly storage: Storage;
  /** What another process reads to open the same storage. */
  readonly environment: Readonly<Record<string, string>>;
  /** Closes everything and removes the folder. */
  close(): Promise<void>;
}

/** @param environment - what the configuration is read from, beside the data folder */
export async function openHouse(environment: Readonly<Record<string, string>> = {}): Promise<TestHouse> {
  const dataFolder = await mkdtemp(join(tmpdir(), 'krona-test-'));
  await cp(await emptyDatabase(), join(dataFolder, 'database'), { recursive: true });
  const database = await startEmbeddedDatabase({ dataFolder });
  return houseIn(dataFolder, environment, () => database.close());
}

/**
 * Opens the storage of a data folder.
 *
 * @param closed - closes what the storage stands on, after it
 */
export async function houseIn(
  dataFolder: string,
  environment: Readonly<Record<string, string>>,
  closed: () => Promise<void> = async () => {},
): Promise<TestHouse> {
  const own = { KRONA_DATA: dataFolder, KRONA_PORT: '0', ...environment };
  const config = await readConfig(own);
  const storage = await openStorage(config);
  return {
    config,
    storage,
    environment: own,
    async close() {
      await storage.close();
      await closed();
      await rm(dataFolder, { recursive: true, force: true });
    },
  };
}

const ROOT = join(import.meta.dirname, '../..');
/** Files that decide how an empty database looks. */
const MAKERS = [
  'storage/embedded/database.ts',
  'storage/embedded/private-node-fs.ts',
  'node_modules/@electric-sql/pglite/package.json',
];

/** Returns the folder of an empty database. Created once for all processes, as that takes seconds. */
async function emptyDatabase(): Promise<string> {
  const hash = createHash('sha256');
  for (const path of MAKERS) hash.update(await readFile(join(ROOT, path)));
  const folder = join(tmpdir(), `krona-empty-database-${hash.digest('hex').slice(0, 16)}`);
  if (await exists(folder)) return folder;
  const draft = await mkdtemp(`${folder}-`);
  const database = await startEmbeddedDatabase({ dataFolder: draft });
  await database.close();
  // It fails when another process was first.
  await rename(join(draft, 'database'), folder).catch(() => undefined);
  await rm(draft, { recursive: true });
  return folder;
}
