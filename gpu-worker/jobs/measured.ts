/** @file Measures jobs: how long they waited and took, how they ended, and with which errors. */
import type { JobKind } from '../../core/job-payloads.ts';
import type { Log } from '../../core/log.ts';
import { errorsTotal, jobSeconds, jobWaitSeconds } from '../../core/metrics.ts';
import { spanOf, traced } from '../../core/tracing.ts';
import { hasEnded } from '../../core/work-state.ts';
import type { JobHandler } from '../../storage/jobs/contract.ts';
import type { Records } from '../../storage/records.ts';

/** The same handler, measured by what stands in the job's record afterwards. */
export function measured<K extends JobKind>(
  kind: K,
  handler: JobHandler<K>,
  { records, log }: { readonly records: Records; readonly log: Log },
): JobHandler<K> {
  return async (job) => {
    const began = Date.now();
    try {
      await traced(job.id, 'job', () => handler(job), { kind, attempt: job.attempt });
    } finally {
      const seconds = (Date.now() - began) / 1000;
      await measure(kind, job.id, { began, seconds, attempt: job.attempt }, records).catch((error: unknown) =>
        log.warn({ error, id: job.id }, 'could not measure a job'),
      );
    }
  };
}

interface Start {
  /** Milliseconds since the epoch. */
  readonly began: number;
  readonly seconds: number;
  readonly attempt: number;
}

function recordOf(kind: JobKind, id: string, records: Records) {
  if (kind === 'pull') return records.pull(id);
  return kind === 'imagine' ? records.set(id) : records.run(id);
}

async function measure(
  kind: JobKind,
  id: string,
  { began, seconds, attempt }: Start,
  records: Records,
): Promise<void> {
  const record = await recordOf(kind, id, records);
  const outcome = record === null ? 'deleted' : hasEnded(record) ? record.state : 'returned';
  jobSeconds.observe({ kind, outcome }, seconds);
  if (record === null) return;
  if (attempt === 1) {
    jobWaitSeconds.observe({ kind }, Math.max(0, (began - record.createdAt.getTime()) / 1000));
    spanOf(id, 'wait', record.createdAt, { kind }, began);
  }
  if (record.failure !== null) errorsTotal.inc({ part: kind, code: record.failure.code });
}
