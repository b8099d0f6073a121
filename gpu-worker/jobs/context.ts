/** @file What the jobs of a worker share. */
import type { BlobStore } from '../../storage/blobs/contract.ts';
import type { RecordStore } from '../../storage/records.ts';
import type { ModelCard } from '../../core/settings/model-card.ts';
import type { Engine } from '../engine/engine.ts';

/** What the worker needs of a logger; pino's fits. */
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
  /** Runs under way have a folder each in here, `runs/<id>`. */
  readonly dataFolder: string;
  readonly log: Log;
}
