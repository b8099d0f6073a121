/** @file What all jobs of a worker share. */
import type { BlobStore } from '../../storage/blobs/contract.ts';
import type { RecordStore } from '../../storage/records.ts';
import type { ModelCard } from '../../core/settings/settings.ts';
import type { Engine } from '../engine/engine.ts';

/** The part of a logger that the worker uses; pino's fits. */
export interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface WorkerContext {
  readonly records: RecordStore;
  readonly blobs: BlobStore;
  readonly engine: Engine;
  readonly model: ModelCard;
  /** Each unfinished run has a folder in it, `runs/<id>`. */
  readonly dataFolder: string;
  readonly log: Log;
}
