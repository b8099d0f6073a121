/** @file `krona bot`: the chat process alone. It shares a database with workers; `krona start` runs both. */
import type { Command } from 'commander';
import { startBot } from '../../bot/main.ts';
import { readConfig } from '../../storage/config.ts';
import { describeError } from '../../storage/errors.ts';
import { openStorage } from '../../storage/open.ts';
import { createLog } from '../log.ts';
import { service, type Shell } from '../output.ts';

export function define(command: Command, shell: Shell): void {
  command.addHelpText(
    'after',
    '\nWhere it listens and keeps things is told by KRONA_HOST, KRONA_PORT, KRONA_URL, KRONA_DATA, DATABASE_URL, REDIS_URL.',
  );
  service(command, shell, async () => {
    const log = createLog('bot');
    const config = await readConfig();
    const storage = await openStorage(config, {
      onError: (error) => log.warn({ error: describeError(error) }, 'storage'),
    });
    const bot = await startBot(storage, config, { log }).catch(async (error: unknown) => {
      await storage.close();
      throw error;
    });
    return {
      json: { address: bot.address, moderatorAddress: bot.moderatorAddress },
      text: `Krona's chat is at ${bot.address}\nYours, as its moderator: ${bot.moderatorAddress}`,
      async stop() {
        await bot.stop();
        await storage.close();
      },
    };
  });
}
