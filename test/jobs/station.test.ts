/** One engine at work, where the queue and the records are played: what it is told before it takes jobs. */
import { it } from 'vitest';
import type { JobKind } from '../../core/job-payloads.ts';
import type { WorkerFacts } from '../../core/workers.ts';
import { Station, type StationDevice } from '../../gpu-worker/jobs/station.ts';
import type { JobHandler, JobQueue } from '../../storage/jobs/contract.ts';
import { until } from '../helpers/until.ts';

it('a worker that is told to drain while it starts drains', async () => {
  const states: WorkerFacts['state'][] = [];
  const records = {
    saveWorker: async ({ state }: WorkerFacts) => ({ drain: states.push(state) > 1 }),
    removeWorker: async () => {},
    set: async () => null,
  };
  const { signal } = new AbortController();
  const job = { id: 'set', payload: { setId: 'set' }, attempt: 1, crashes: 0, lastTry: false, signal };
  const jobs = {
    async work(kind: JobKind, handler: JobHandler<'imagine'>) {
      // A job is there at once, so that a heartbeat tells of it.
      if (kind === 'imagine') await handler({ ...job, advance: async () => {} });
      if (kind === 'pull') await until(async () => states.length > 1, 'the order to drain');
      return { close: async () => {} };
    },
  };
  const quiet = (): void => {};
  const shared = { records, model: { name: 'model' }, log: { info: quiet, warn: quiet, error: quiet } };
  const station = await Station.start(
    shared as unknown as Parameters<typeof Station.start>[0],
    jobs as unknown as JobQueue,
    { asked: { kind: 'cpu', card: null }, chosen: { device: 'cpu' } } as unknown as StationDevice,
  );
  await until(async () => states.includes('drained'), 'the drained worker');
  await station.stop();
});
