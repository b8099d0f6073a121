/** @file A worker in a process of its own, to be killed. Arguments: data folder, model folder, more of the environment as JSON. */
import { startWorker } from '../../gpu-worker/main.ts';
import { readConfig } from '../../core/config.ts';
import { openStorage } from '../../storage/open.ts';

// Not longer than the test that started it.
process.once('disconnect', () => process.exit());

const [dataFolder, model, more = '{}'] = process.argv.slice(2);
const environment = JSON.parse(more) as Record<string, string>;
const config = await readConfig({ KRONA_DATA: dataFolder, KRONA_MODEL: model, ...environment });
const quiet = (): void => {};
await startWorker(await openStorage(config), config, { log: { info: quiet, warn: quiet, error: quiet } });
