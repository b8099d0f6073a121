/** @file `krona bot`: the chat process alone. It shares a database with workers; `krona start` runs both. */
import type { Command } from 'commander';
import { startBot } from '../../bot/main.ts';
import { readConfig, type Config } from '../../core/config.ts';
import { createLog } from '../log.ts';
import { service, type Outcome, type Service, type Shell } from '../output.ts';
import { onStorage } from '../storage.ts';

export function define(command: Command, shell: Shell): void {
  command.addHelpText(
    'after',
    '\nWhere it listens and keeps things is told by KRONA_HOST, KRONA_PORT, KRONA_URL, KRONA_DATA, DATABASE_URL, REDIS_URL.',
  );
  service(command, shell, async () => serveBot(await readConfig()));
}

/** Where a bot is. */
export interface BotAddresses {
  readonly address: string;
  readonly moderatorAddress: string;
}

/** The chat, ready at the address that it gives. */
function serveBot(config: Config): Promise<Service> {
  const log = createLog('bot');
  return onStorage(config, log, async (storage) => {
    const bot = await startBot(storage, config, { log });
    return { ...describeBot(bot), stop: () => bot.stop() };
  });
}

export function describeBot({ address, moderatorAddress }: BotAddresses): Outcome {
  return {
    json: { address, moderatorAddress },
    text: `Krona's chat is at ${address}\nYours, as its moderator: ${moderatorAddress}`,
  };
}
