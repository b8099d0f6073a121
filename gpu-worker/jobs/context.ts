/** @file What all jobs of a worker share. */
import type { Log } from '../../core/log.ts';
import type { BlobStore } from '../../storage/blobs/contract.ts';
import type { RecordStore } from '../../storage/records.ts';
import type { ModelCard } from '../../core/settings/model-card.ts';
import type { Engine } from '../engine/engine.ts';

export interface WorkerContext {
  readonly records: RecordStore;
  readonly blobs: BlobStore;
  readonly engine: Engine;
  readonly model: ModelCard;
  /** Each unfinished run has a folder in it, `runs/<id>`. */
  readonly dataFolder: string;
  readonly log: Log;
}
