/** @file Krona's storage for one test file: embedded database, queue and blob folder in a folder of their own. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Config, readConfig } from '../../core/config.ts';
import { startEmbeddedDatabase } from '../../storage/embedded/database.ts';
import { openStorage, type Storage } from '../../storage/open.ts';

export interface TestHouse {
  readonly config: Config;
  readonly storage: Storage;
  /** Closes everything and removes the folder. */
  close(): Promise<void>;
}

/** @param environment - what the configuration is read from, beside the data folder */
export async function openHouse(environment: Readonly<Record<string, string>> = {}): Promise<TestHouse> {
  const dataFolder = await mkdtemp(join(tmpdir(), 'krona-test-'));
  const database = await startEmbeddedDatabase({ dataFolder });
  const config = await readConfig({ KRONA_DATA: dataFolder, KRONA_PORT: '0', ...environment });
  const storage = await openStorage(config);
  return {
    config,
    storage,
    async close() {
      await storage.close();
      await database.close();
      await rm(dataFolder, { recursive: true, force: true });
    },
  };
}
