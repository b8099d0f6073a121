/** @file Opens the storage for the lifetime of a service. */
import { readConfig, type Config } from '../core/config.ts';
import { describeError } from '../core/errors.ts';
import { makePrivateFolder } from '../core/private-files.ts';
import { oncePerState } from '../core/retrying.ts';
import { openRecordsOf, openStorage, type Storage } from '../storage/open.ts';
import type { RecordStore } from '../storage/records.ts';
import type { createLog } from './log.ts';
import type { Service } from './output.ts';

/**
 * Starts a service on the configured storage. Stopping it also closes the storage.
 *
 * @param signal - ends the process when it aborts before the service has started, as nothing is under way by then
 */
export async function onStorage(
  config: Config,
  log: ReturnType<typeof createLog>,
  signal: AbortSignal,
  start: (storage: Storage) => Promise<Service>,
): Promise<Service> {
  const exit = () => process.exit();
  signal.addEventListener('abort', exit);
  if (signal.aborted) exit();
  // `krona start` has done it for its children.
  if (process.send === undefined) await closeDataFolder(config, log);
  const storage = await openStorage(config, {
    onError: oncePerState((error) => log.warn(describeError(error), 'storage')),
  });
  try {
    const service = await start(storage);
    signal.removeEventListener('abort', exit);
    return {
      ...service,
      async stop() {
        await service.stop();
        await storage.close();
      },
    };
  } catch (error) {
    await storage.close();
    throw error;
  }
}

/** Does something with the records alone. @throws KronaError as openStorage */
export async function onRecords<T>(work: (records: RecordStore) => Promise<T>): Promise<T> {
  const records = await openRecordsOf(await readConfig());
  try {
    return await work(records);
  } finally {
    await records.close();
  }
}

/** Takes the permissions of other users from the data folder. */
export async function closeDataFolder(
  { dataFolder }: Pick<Config, 'dataFolder'>,
  log: ReturnType<typeof createLog>,
): Promise<void> {
  if (!(await makePrivateFolder(dataFolder)))
    log.warn({}, 'some files of the data folder belong to another user, so others may be able to read them');
}
