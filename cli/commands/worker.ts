/** @file `krona worker`: only a worker. Any number of workers share one database; `list` and `drain` look after them. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { startWorker } from '../../gpu-worker/main.ts';
import { readConfig } from '../../core/config.ts';
import { KronaError } from '../../core/errors.ts';
import { counted, duration } from '../../core/format.ts';
import { describeDevice, describeDoing, isGone, type WorkerRecord } from '../../core/workers.ts';
import { startTracing } from '../../operation/tracing.ts';
import type { RecordStore } from '../../storage/records.ts';
import { createLog } from '../log.ts';
import { action, type CommandIo, type Outcome, service, type Shell } from '../output.ts';
import { onRecords, onStorage } from '../storage.ts';

export function define(command: Command, shell: Shell): void {
  command.addHelpText(
    'after',
    '\nEnvironment: KRONA_MODEL (default: the embedded model), KRONA_DEVICE, KRONA_DATA, DATABASE_URL, REDIS_URL (storage).',
  );
  service(command, shell, async ({ signal }) => {
    const log = createLog('worker');
    const config = await readConfig();
    return onStorage(config, log, signal, async (storage) => {
      const stopTracing = await startTracing('worker');
      const worker = await startWorker(storage, config, { log });
      return {
        json: { model: worker.model.name, statusAddress: worker.statusAddress },
        text: `The worker runs ${worker.model.name}.`,
        async stop() {
          await worker.stop();
          await stopTracing();
        },
      };
    });
  });
  action(command.command('list').description('list the workers that share the database'), shell, () =>
    onRecords((records) => list(records)),
  );
  const drain = command
    .command('drain')
    .description(
      'let workers finish, such as before an upgrade: they take no more jobs; waits until they have none',
    )
    .argument('[id]', 'the start of an id in the list; all workers by default')
    .option('--no-wait', 'only ask them');
  action(drain, shell, (io, id: string | undefined, { wait }: { wait: boolean }) =>
    onRecords((records) => drainWorkers(io, records, id, wait)),
  );
}

async function list(records: RecordStore): Promise<Outcome> {
  const workers = await records.workers();
  const lines = workers.map((worker) => {
    const { id, host, version, models } = worker;
    const silent = isGone(worker) ? ` for ${duration(worker.silentFor)}` : '';
    return [
      id.slice(0, 8),
      host,
      `krona ${version}`,
      describeDevice(worker),
      models.join(', '),
      describeDoing(worker) + silent,
    ].join('  ');
  });
  return {
    json: { workers },
    text: lines.length === 0 ? 'No worker has run within a day.' : lines.join('\n'),
  };
}

/** Pause between two looks, ms. */
const LOOK = 500;

async function drainWorkers(
  io: CommandIo,
  records: RecordStore,
  id: string | undefined,
  wait: boolean,
): Promise<Outcome> {
  const chosen = (await records.workers()).filter(
    (worker) => !isGone(worker) && (id === undefined || worker.id.startsWith(id)),
  );
  if (chosen.length === 0)
    throw new KronaError(
      'WORKER_UNKNOWN',
      id === undefined
        ? 'No worker is running.'
        : `No running worker has an id that starts with “${id}”. \`krona worker list\` lists them.`,
    );
  const ids = chosen.map((worker) => worker.id);
  await records.drainWorkers(ids);
  if (!wait)
    return { json: { draining: ids }, text: `${counted(ids.length, 'worker')} will take no more jobs.` };
  let gone: readonly string[] = [];
  for (let busy: readonly WorkerRecord[] = chosen; busy.length > 0;) {
    io.progress.show({
      phase: 'draining',
      step: ids.length - busy.length,
      steps: ids.length,
      secondsLeft: null,
    });
    await sleep(LOOK, undefined, { signal: io.signal }).catch(() => io.signal.throwIfAborted());
    // One that was stopped meanwhile has given back its jobs, and is no longer listed.
    const left = (await records.workers()).filter(({ id, state }) => ids.includes(id) && state !== 'drained');
    gone = left.filter(isGone).map((worker) => worker.id);
    busy = left.filter((worker) => !isGone(worker));
  }
  return drainedOutcome(
    ids.filter((each) => !gone.includes(each)),
    gone,
  );
}

/** @param gone - ids of workers that fell silent before they had drained */
function drainedOutcome(drained: readonly string[], gone: readonly string[]): Outcome {
  const lines = [
    ...(drained.length > 0
      ? [`${counted(drained.length, 'worker')} drained. Stop them, or start them again.`]
      : []),
    ...gone.map(
      (id) =>
        `Worker ${id.slice(0, 8)} did not drain: it was killed or hangs, and other workers take its jobs. ` +
        'If its process still runs, stop it.',
    ),
  ];
  return { json: { drained, gone }, text: lines.join('\n') };
}
