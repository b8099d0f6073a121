/** @file What all jobs of a worker share. */
import type { Log } from '../../core/log.ts';
import type { RecentMap } from '../../core/recent.ts';
import type { BlobStore } from '../../storage/blobs/contract.ts';
import type { RecordStore } from '../../storage/records.ts';
import type { ModelCard } from '../../core/settings/model-card.ts';
import type { Engine } from '../engine/engine.ts';

/** What jobs need of an engine. */
export interface JobEngine extends Pick<
  Engine,
  'train' | 'sweep' | 'draw' | 'fits' | 'describe' | 'release' | 'close'
> {
  /** The same with another model. @param model its path */
  on(model: string): JobEngine;
}

export interface WorkerContext {
  readonly records: RecordStore;
  readonly blobs: BlobStore;
  readonly engine: JobEngine;
  readonly model: ModelCard;
  /** Hashes of the adapters that the engine has in memory. */
  readonly held: RecentMap<string, true>;
  /** Names of the pulled models that the engine drew with last: they are on this machine, and may be open. */
  readonly opened: RecentMap<string, true>;
  /** Each unfinished run has a folder in it, `runs/<id>`. */
  readonly dataFolder: string;
  /** Other workers can lack this data folder: what they need to go on with a training is stored with the blobs. */
  readonly isApart: boolean;
  readonly log: Log;
}
