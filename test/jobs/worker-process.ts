/** @file A worker in a process of its own, to be killed. Configured by environment variables. */
import { startWorker } from '../../gpu-worker/main.ts';
import { readConfig } from '../../core/config.ts';
import { openStorage } from '../../storage/open.ts';

// Not longer than the test that started it.
process.once('disconnect', () => process.exit());

const config = await readConfig(process.env);
const quiet = (): void => {};
await startWorker(await openStorage(config), config, { log: { info: quiet, warn: quiet, error: quiet } });
