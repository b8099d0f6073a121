/**
 * @file A bot process that is killed between posting a message and noting it: `node --import tsx killed-bot.ts`,
 * with KRONA_DATA naming a folder whose database another process serves.
 */
import { startBot } from '../../bot/main.ts';
import { readConfig } from '../../storage/config.ts';
import { openStorage } from '../../storage/open.ts';

const config = await readConfig();
const storage = await openStorage(config);
const records = new Proxy(storage.records, {
  get: (target, name, receiver): unknown =>
    name === 'markPost' ? () => process.kill(process.pid, 'SIGKILL') : Reflect.get(target, name, receiver),
});
const log = { info: console.error, warn: console.error, error: console.error };
await startBot({ ...storage, records }, config, { log });
