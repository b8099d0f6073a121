/** @file Opens the storage for the lifetime of a service. */
import { withoutRepeats } from '../core/backoff.ts';
import type { Config } from '../core/config.ts';
import { describeError } from '../core/errors.ts';
import { openStorage, type Storage } from '../storage/open.ts';
import type { createLog } from './log.ts';
import type { Service } from './output.ts';

/** Starts a service on the configured storage. Stopping it also closes the storage. */
export async function onStorage(
  config: Config,
  log: ReturnType<typeof createLog>,
  start: (storage: Storage) => Promise<Service>,
): Promise<Service> {
  const storage = await openStorage(config, {
    onError: withoutRepeats((error) => log.warn(describeError(error), 'storage')),
  });
  try {
    const service = await start(storage);
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
