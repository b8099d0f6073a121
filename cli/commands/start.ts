/** @file `krona start`: everything on one machine. Bot and embedded database live here, the worker beside it. */
import type { Command } from 'commander';
import { readConfig } from '../../storage/config.ts';
import { startEmbeddedDatabase } from '../../storage/embedded/database.ts';
import { createLog } from '../log.ts';
import { service, type Shell } from '../output.ts';
import { WorkerProcess } from '../worker-process.ts';
import { serveBot } from './bot.ts';

export function define(command: Command, shell: Shell): void {
  command.addHelpText(
    'after',
    '\nAll settings are environment variables: KRONA_DATA, KRONA_MODEL, KRONA_HOST, KRONA_PORT, KRONA_URL, DATABASE_URL, REDIS_URL.',
  );
  service(command, shell, async () => {
    const config = await readConfig();
    const database = config.databaseUrl === null ? await startEmbeddedDatabase(config) : null;
    try {
      const bot = await serveBot(config);
      // After the bot, so that the first page does not wait for a model to load.
      const worker = new WorkerProcess(createLog('start'));
      return {
        ...bot,
        async stop() {
          await Promise.all([worker.stop(), bot.stop()]);
          await database?.close();
        },
      };
    } catch (error) {
      await database?.close();
      throw error;
    }
  });
}
