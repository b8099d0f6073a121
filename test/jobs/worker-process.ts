/** @file A worker in a process of its own, to be killed. Arguments: data folder, model folder. */
import { startWorker } from '../../gpu-worker/main.ts';
import { readConfig } from '../../core/config.ts';
import { openStorage } from '../../storage/open.ts';

const [dataFolder, model] = process.argv.slice(2);
const config = await readConfig({ KRONA_DATA: dataFolder, KRONA_MODEL: model });
const quiet = (): void => {};
await startWorker(await openStorage(config), config, { log: { info: quiet, warn: quiet, error: quiet } });
