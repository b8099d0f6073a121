/** @file The worker process: takes jobs off the queue and has the engine process compute them. */
import { KronaError } from '../core/errors.ts';
import type { Config } from '../core/config.ts';
import { areBlobsElsewhere } from '../storage/blobs/same-place.ts';
import type { Storage } from '../storage/open.ts';
import { sweepDaily } from '../storage/sweep.ts';
import type { ModelCard } from '../core/settings/model-card.ts';
import { Engine } from './engine/engine.ts';
import type { Log } from '../core/log.ts';
import type { WorkerContext } from './jobs/context.ts';
import { imagineJob } from './jobs/imagine.ts';
import { pullJob } from './jobs/pull.ts';
import { sweepModels } from './jobs/pulled-models.ts';
import { computerNow, refreshComputers } from './jobs/speeds.ts';
import { sweepRuns } from './jobs/sweep-runs.ts';
import { sweepJob } from './jobs/sweep.ts';
import { trainJob } from './jobs/train.ts';

export interface Worker {
  readonly model: ModelCard;
  /**
   * Gives the jobs under way back to the queue, a training with all that it has done, and ends the engine process.
   * Takes as long as the step under way. The storage stays open.
   */
  stop(): Promise<void>;
}

export interface WorkerOptions {
  readonly log: Log;
}

/**
 * Starts the worker on an open storage: writes the model's card into the records, then takes one training, one sweep and
 * one request for pictures at a time.
 *
 * @throws KronaError MODEL_NOT_FOUND, MODEL_*, SAFETENSORS_* when the folder that KRONA_MODEL names cannot be used;
 * DEVICE_UNAVAILABLE, ENGINE_DIED
 */
export async function startWorker(storage: Storage, config: Config, { log }: WorkerOptions): Promise<Worker> {
  const { records, blobs, jobs } = storage;
  const engine = new Engine(config.modelPath, {
    device: config.device,
    refiner: config.refinerPath,
    speed: config.speedPath,
  });
  try {
    const chosen = await engine.device();
    const { device, notice } = chosen;
    log.info({ device }, notice ?? `Computing on ${device}.`);
    const onEvent = ({ notice }: { notice: string }): void => log.warn({}, notice);
    const described = await engine.describe({ onEvent }).catch((error: unknown) => {
      if (!(error instanceof KronaError && error.code === 'MODEL_NOT_FOUND')) throw error;
      throw new KronaError('MODEL_NOT_FOUND', `${error.message} KRONA_MODEL says which.`, { cause: error });
    });
    const computer = await computerNow(records, described, chosen, config.dataFolder);
    const model = { ...described, computer };
    await records.saveModelCard(model);
    await refreshComputers(records, computer);
    const context: WorkerContext = { records, blobs, engine, model, dataFolder: config.dataFolder, log };
    await sweepRuns(context);
    await sweepModels(context);
    if (await areBlobsElsewhere(records, blobs))
      log.warn(
        {},
        'no photo or picture of the records is in the blob store: set KRONA_BLOBS to the same place for bot and workers',
      );
    const handles = [
      await jobs.work('imagine', imagineJob(context)),
      await jobs.work('train', trainJob(context)),
      await jobs.work('sweep', sweepJob(context)),
      await jobs.work('pull', pullJob(context)),
    ];
    const stopSweeping = sweepDaily(records, blobs, {
      before: async () => {
        await sweepRuns(context);
        await sweepModels(context);
      },
      onSwept: (removed) => removed > 0 && log.info({ removed }, 'removed files that nothing needs any more'),
      onError: (error) => log.warn({ error }, 'could not look for files that nothing needs any more'),
    });
    return {
      model,
      async stop() {
        await stopSweeping();
        await Promise.all(handles.map((handle) => handle.close()));
        await engine.close();
      },
    };
  } catch (error) {
    await engine.close();
    throw error;
  }
}
