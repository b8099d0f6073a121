/** @file A worker as records, chat and command line know it: one engine, which computes on one device. */
import type { JobKind } from './job-payloads.ts';
import { byteSize } from './format.ts';

/** What a worker says of itself, again with each heartbeat. */
export interface WorkerFacts {
  /** A UUID, new at each start. */
  readonly id: string;
  /** Name of the machine. */
  readonly host: string;
  /** Of Krona. */
  readonly version: string;
  /** `cpu`, `cuda:1`. */
  readonly device: string;
  /** Bytes: of a card, what was free when the worker started; else of the machine. */
  readonly memory: number;
  /** Names of the models that it draws with: its own, and the pulled ones that it drew with last. */
  readonly models: readonly string[];
  /** Hashes of the adapters that its engine has in memory, the newest last. */
  readonly adapters: readonly string[];
  /** Its jobs under way. */
  readonly doing: readonly WorkerJob[];
  readonly state: WorkerState;
}

export interface WorkerJob {
  readonly kind: JobKind;
  /** Of the run or set. */
  readonly id: string;
}

/** `draining`: it takes no more jobs, and ends those under way; `drained`: it has none left, and can be stopped. */
export type WorkerState = 'working' | 'draining' | 'drained';

/** A worker with what the database knows of it. */
export interface WorkerRecord extends WorkerFacts {
  readonly startedAt: Date;
  /** Seconds since its last heartbeat, by the database's clock. */
  readonly silentFor: number;
  /** Somebody wants it to drain. */
  readonly drain: boolean;
}

/** Pause between two heartbeats, ms. */
export const HEARTBEAT = 4_000;

/** A worker without a heartbeat for so long is gone, s. The queue gives its jobs away at about the same time. */
const GONE_AFTER = 16;

export const isGone = ({ silentFor }: Pick<WorkerRecord, 'silentFor'>): boolean => silentFor > GONE_AFTER;

/** Whether it takes jobs. */
export const isTaking = (worker: WorkerRecord): boolean =>
  !isGone(worker) && worker.state === 'working' && !worker.drain;

const DOING: Readonly<Record<JobKind, string>> = {
  train: 'trains an adapter',
  sweep: 'trains a sweep',
  imagine: 'draws',
  pull: 'downloads a model',
};

/** `trains an adapter and draws`, `free`, `draining: draws`, `drained`, `gone for 30 s`. */
export function describeDoing(worker: WorkerRecord): string {
  if (isGone(worker)) return 'gone';
  if (worker.state === 'drained') return 'drained';
  const doing = worker.doing.map(({ kind }) => DOING[kind]).join(' and ') || 'free';
  return worker.state === 'draining' || worker.drain ? `draining: ${doing}` : doing;
}

/** `cuda:1, 79.2 GiB`. */
export const describeDevice = ({ device, memory }: WorkerFacts): string => `${device}, ${byteSize(memory)}`;
