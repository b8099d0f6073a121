/**
 * @file A bot process that is killed between two steps: when it is about to use the method of the records that it was
 * told by message. Configured by environment variables; another process serves the database. See mortal-bot.ts.
 */
import { startBot } from '../../bot/main.ts';
import { readConfig } from '../../core/config.ts';
import { openStorage } from '../../storage/open.ts';
import type { RecordStore } from '../../storage/records.ts';

let last: keyof RecordStore | null = null;
process.on('message', (name: keyof RecordStore) => (last = name));
process.on('disconnect', () => process.exit());

const config = await readConfig();
const storage = await openStorage(config);
const records = new Proxy(storage.records, {
  get: (target, name, receiver): unknown =>
    name === last ? () => process.kill(process.pid, 'SIGKILL') : Reflect.get(target, name, receiver),
});
const log = { info: console.error, warn: console.error, error: console.error };
await startBot({ ...storage, records }, config, { log });
process.send!('ready');
