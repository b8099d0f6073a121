/** @file `krona bot`: only the chat process. It shares a database with workers; `krona start` runs both. */
import type { Command } from 'commander';
import { startBot } from '../../bot/main.ts';
import { readConfig, type Config } from '../../core/config.ts';
import { startTracing } from '../../operation/tracing.ts';
import { createLog } from '../log.ts';
import { service, type Outcome, type Service, type Shell } from '../output.ts';
import { onStorage } from '../storage.ts';

export function define(command: Command, shell: Shell): void {
  command.addHelpText(
    'after',
    '\nEnvironment: KRONA_HOST, KRONA_PORT, KRONA_URL (address), KRONA_DATA, DATABASE_URL, REDIS_URL (storage).',
  );
  service(command, shell, async ({ signal }) => serveBot(await readConfig(), signal));
}

/** Addresses of a bot. */
export interface BotAddresses {
  readonly address: string;
  readonly moderatorAddress: string;
  /** The port that it listens on, which the addresses need not name. */
  readonly port: number;
  /** Where monitoring asks it; null: nowhere. */
  readonly statusAddress: string | null;
}

function serveBot(config: Config, signal: AbortSignal): Promise<Service> {
  const log = createLog('bot');
  return onStorage(config, log, signal, async (storage) => {
    const stopTracing = await startTracing('bot');
    const bot = await startBot(storage, config, { log });
    return {
      ...describeBot(bot),
      async stop() {
        await bot.stop();
        await stopTracing();
      },
    };
  });
}

export function describeBot(addresses: BotAddresses): Outcome {
  const { address, moderatorAddress, port, statusAddress } = addresses;
  const monitoring = statusAddress === null ? '' : `\nMonitoring: ${statusAddress}/metrics`;
  return {
    json: { address, moderatorAddress, port, statusAddress },
    text: `Chat: ${address}\nFor you, as a moderator: ${moderatorAddress}${monitoring}`,
  };
}
