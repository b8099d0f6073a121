/** @file `krona start`: everything on one machine. The embedded database runs in this process, bot and worker in children. */
import type { Command } from 'commander';
import { readConfig, type Config } from '../../core/config.ts';
import { keptDeviceChecks } from '../../core/device-checks.ts';
import { describeCheck } from '../../core/settings/computer.ts';
import { startEmbeddedDatabase } from '../../storage/embedded/database.ts';
import { createLog } from '../log.ts';
import { service, type Service, type Shell } from '../output.ts';
import { closeDataFolder } from '../storage.ts';
import { ServiceProcess } from '../service-process.ts';
import { describeBot, type BotAddresses } from './bot.ts';

export function define(command: Command, shell: Shell): void {
  command.addHelpText(
    'after',
    '\nEnvironment: KRONA_HOST, KRONA_PORT, KRONA_URL (address), KRONA_MODEL, KRONA_DATA, DATABASE_URL, REDIS_URL (storage).',
  );
  service(command, shell, async ({ signal }) => {
    const config = await readConfig();
    const log = createLog('start');
    await closeDataFolder(config, log);
    const database = config.databaseUrl === null ? await startEmbeddedDatabase(config) : null;
    try {
      const services = await startServices(config, log, signal);
      return {
        ...services,
        async stop() {
          await services.stop();
          await database?.close();
        },
      };
    } catch (error) {
      await database?.close();
      throw error;
    }
  });
}

/** A small young generation and few arenas: half the memory, and fast enough for a chat. */
const SMALL = { nodeOptions: ['--max-semi-space-size=2'], env: { MALLOC_ARENA_MAX: '2' } };

async function startServices(
  config: Config,
  log: ReturnType<typeof createLog>,
  signal: AbortSignal,
): Promise<Service> {
  const bot = new ServiceProcess({ command: 'bot', log, signal, ...SMALL });
  const addresses = (await bot.ready()) as BotAddresses;
  // Open pages expect a restarted bot at the same address.
  bot.keep({ KRONA_PORT: String(addresses.port) });
  // After the bot, so that the first page does not wait for the model.
  const worker = new ServiceProcess({ command: 'worker', log, signal, env: workerStatus(config) });
  const { json, text } = describeBot(addresses);
  const computer = await computerLine(config);
  return {
    json: { ...json, computer },
    text: `${text}\nComputer: ${computer}`,
    async stop() {
      await Promise.all([worker.stop(), bot.stop()]);
    },
  };
}

/** Both can't listen on one port: the worker has the next. */
function workerStatus({ status }: Config): Record<string, string> {
  return status === null || status.port === 0 ? {} : { KRONA_STATUS_PORT: String(status.port + 1) };
}

/** The last report of the device that the worker was told to use; of any, if it chooses. */
async function computerLine({ dataFolder, devices: [{ kind }] }: Config): Promise<string> {
  const checks = await keptDeviceChecks(dataFolder);
  const [last] = kind === null ? checks : checks.filter((check) => check.device === kind);
  return last ? describeCheck(last) : 'not checked yet. `krona device check` tells how fast it is.';
}
