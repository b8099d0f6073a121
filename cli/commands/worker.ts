/** @file `krona worker`: only a worker. Any number of workers share one database. */
import type { Command } from 'commander';
import { startWorker } from '../../gpu-worker/main.ts';
import { readConfig } from '../../core/config.ts';
import { createLog } from '../log.ts';
import { service, type Shell } from '../output.ts';
import { onStorage } from '../storage.ts';

export function define(command: Command, shell: Shell): void {
  command.addHelpText(
    'after',
    '\nEnvironment: KRONA_MODEL (default: the embedded model), KRONA_DATA, DATABASE_URL, REDIS_URL (storage).',
  );
  service(command, shell, async ({ signal }) => {
    const log = createLog('worker');
    const config = await readConfig();
    return onStorage(config, log, signal, async (storage) => {
      const worker = await startWorker(storage, config, { log });
      return {
        json: { model: worker.model.name, statusAddress: worker.statusAddress },
        text: `The worker runs ${worker.model.name}.`,
        stop: () => worker.stop(),
      };
    });
  });
}
