/**
 * @file A worker of the simulation: the real one with played engines. Arguments: data folder, engines, ms a picture, file.
 * It notes each job in the file as it takes it.
 */
import { appendFileSync } from 'node:fs';
import { readConfig } from '../../core/config.ts';
import type { JobKind } from '../../core/job-payloads.ts';
import { startWorker } from '../../gpu-worker/main.ts';
import type { JobHandler, WorkOptions } from '../../storage/jobs/contract.ts';
import { openStorage } from '../../storage/open.ts';
import { playedEngine } from './played-engine.ts';

process.once('disconnect', () => process.exit());

const [dataFolder = '', engines = '1', pictureMs = '0', taken = ''] = process.argv.slice(2);
const config = await readConfig({
  KRONA_DATA: dataFolder,
  DATABASE_URL: process.env['DATABASE_URL'],
  REDIS_URL: process.env['REDIS_URL'],
  KRONA_DEVICE: Array.from({ length: Number(engines) }, () => 'cpu').join(','),
});
const log = {
  info: () => {},
  warn: () => {},
  error: ({ error }: { error?: unknown }, message: string) =>
    process.stderr.write(`${message}: ${String(error)}\n`),
};
const storage = await openStorage(config, { onError: () => {} });
const { jobs } = storage;
const noting = {
  ...jobs,
  work: <K extends JobKind>(kind: K, handler: JobHandler<K>, options?: WorkOptions<K>) =>
    jobs.work(
      kind,
      async (job) => {
        appendFileSync(taken, `${job.id} ${Date.now()} ${job.attempt}\n`);
        await handler(job);
      },
      options,
    ),
};
const engine = await playedEngine(Number(pictureMs));
const worker = await startWorker({ ...storage, jobs: noting }, config, { log, openEngine: () => engine });
process.send?.('ready');
process.once('SIGTERM', () => {
  void worker
    .stop()
    .then(() => storage.close())
    .then(() => process.exit());
});
