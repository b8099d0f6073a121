/**
 * @file What Krona counts and measures, for Prometheus. Each process has its own registry; operation/status-server.ts
 * serves it. Labels have few values: never an id, a name or a text of a member.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Platform } from './records.ts';

export const registry = new Registry();
const registers = [registry];

/** Bounds of histograms, seconds: answers of a server, and work of a computer. */
const ANSWERS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15];
const WORK = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];
const JOBS = [1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 12 * 3600];

export const commandSeconds = new Histogram({
  name: 'krona_command_seconds',
  help: 'Time from a command to its answer, by how it ended: done, refused or failed',
  labelNames: ['platform', 'command', 'outcome'],
  buckets: ANSWERS,
  registers,
});

const acknowledgeSeconds = new Histogram({
  name: 'krona_acknowledge_seconds',
  help: 'Time from a command or press to its acknowledgement; Discord and Slack wait 3 s for it',
  labelNames: ['platform'],
  buckets: ANSWERS,
  registers,
});

export const votesTotal = new Counter({
  name: 'krona_votes_total',
  help: 'Reactions that members added to pictures, or removed',
  labelNames: ['platform', 'change'],
  registers,
});

export const errorsTotal = new Counter({
  name: 'krona_errors_total',
  help: 'Errors by code (docs/errors.md); INTERNAL is a bug, and the log has it',
  labelNames: ['part', 'code'],
  registers,
});

export const ready = new Gauge({
  name: 'krona_ready',
  help: '1: this part works, 0: it does not (/readyz says why)',
  labelNames: ['check'],
  registers,
});

export const queueJobs = new Gauge({
  name: 'krona_queue_jobs',
  help: 'Jobs in all channels',
  labelNames: ['kind', 'state'],
  registers,
});

export const queueOldestSeconds = new Gauge({
  name: 'krona_queue_oldest_seconds',
  help: 'How long the oldest queued job waits; 0 when none waits',
  labelNames: ['kind'],
  registers,
});

export const jobWaitSeconds = new Histogram({
  name: 'krona_job_wait_seconds',
  help: 'Time from a request to the first start of its job',
  labelNames: ['kind'],
  buckets: JOBS,
  registers,
});

export const jobSeconds = new Histogram({
  name: 'krona_job_seconds',
  help: 'Time of one start of a job, by how it ended: done, failed, cancelled or returned to the queue',
  labelNames: ['kind', 'outcome'],
  buckets: JOBS,
  registers,
});

export const stepSeconds = new Histogram({
  name: 'krona_training_step_seconds',
  help: 'Mean time of an optimiser step of a training',
  buckets: WORK,
  registers,
});

export const pictureSeconds = new Histogram({
  name: 'krona_picture_seconds',
  help: 'Mean time of a picture of a set, decoding and waiting included',
  buckets: WORK,
  registers,
});

export const engineMemoryBytes = new Gauge({
  name: 'krona_engine_memory_bytes',
  help: 'Resident memory of the engine processes; 0 while none runs',
  registers,
});

export const diskBytes = new Gauge({
  name: 'krona_disk_bytes',
  help: 'Disk of the data folder: its size, and what is free',
  labelNames: ['part'],
  registers,
});

export const storedBytes = new Gauge({
  name: 'krona_stored_bytes',
  help: 'Photos, pictures and adapters of all channels',
  registers,
});

export const storedLimitBytes = new Gauge({
  name: 'krona_stored_limit_bytes',
  help: 'Most that can be stored (KRONA_STORAGE); 0: no limit',
  registers,
});

export const info = new Gauge({
  name: 'krona_info',
  help: 'Always 1; the labels say what runs',
  labelNames: ['part', 'version', 'model', 'device'],
  registers,
});

/** Measures how long an acknowledgement takes. @returns what `work` resolves to */
export async function acknowledging<T>(platform: Platform, work: Promise<T>): Promise<T> {
  const end = acknowledgeSeconds.startTimer({ platform });
  try {
    return await work;
  } finally {
    end();
  }
}
