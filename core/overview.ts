/** @file Records of all channels together, as an administrator sees them. */
import type { JobKind } from './job-payloads.ts';
import type { AuditEntry, Platform, Progress, WorkFailure, WorkState } from './records.ts';

/** A run, or a set that a member asked for. */
export interface OverviewWork {
  readonly id: string;
  readonly kind: JobKind;
  /** The subject's name, or the prompt as typed. */
  readonly what: string;
  readonly state: WorkState;
  readonly progress: Progress | null;
  readonly failure: WorkFailure | null;
  readonly channelName: string;
  readonly platform: Platform;
  readonly memberName: string;
  readonly createdAt: Date;
  /** null also for sets, whose records don't say it. */
  readonly startedAt: Date | null;
  readonly endedAt: Date | null;
}

export interface OverviewChannel {
  readonly id: string;
  readonly name: string;
  readonly platform: Platform;
  /** The model that it draws with, by name. */
  readonly model: string;
  /** Of photos, pictures and adapters. */
  readonly storedBytes: number;
}

export interface LoggedEntry extends AuditEntry {
  readonly channelName: string;
  readonly platform: Platform;
  /** null: votes. */
  readonly memberName: string | null;
}
