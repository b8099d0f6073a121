/** @file The worker process: takes jobs off the queue and has the engine process compute them. */
import { relative } from 'node:path';
import { at } from '../core/at.ts';
import type { Config, EngineDevice } from '../core/config.ts';
import { areBlobsElsewhere } from '../storage/blobs/same-place.ts';
import type { Storage } from '../storage/open.ts';
import { startStatus } from '../operation/status.ts';
import type { StatusServer } from '../operation/status-server.ts';
import { sweepDaily } from '../storage/sweep.ts';
import type { ModelCard } from '../core/settings/model-card.ts';
import { Engine } from './engine/engine.ts';
import { prepare } from './engine/prepare.ts';
import type { Log } from '../core/log.ts';
import { engineMemoryBytes } from '../core/metrics.ts';
import type { WorkerContext } from './jobs/context.ts';
import { sweepModels } from './jobs/pulled-models.ts';
import { computerNow, refreshComputers } from './jobs/speeds.ts';
import { sweepRuns } from './jobs/sweep-runs.ts';
import { Station } from './jobs/station.ts';

export interface Worker {
  readonly model: ModelCard;
  /** Where monitoring asks; null: nowhere. */
  readonly statusAddress: string | null;
  /**
   * Gives the jobs under way back to the queue, a training with all that it has done, and ends the engine process.
   * Takes as long as the step under way. The storage stays open.
   */
  stop(): Promise<void>;
}

export interface WorkerOptions {
  readonly log: Log;
  /** Where no GPU is needed, as in a simulation, another engine can be played. */
  readonly openEngine?: (config: Config, device: EngineDevice) => WorkerEngine;
}

/** What a worker needs of an engine. */
export type WorkerEngine = WorkerContext['engine'] & Pick<Engine, 'device'> & Partial<Pick<Engine, 'memory'>>;

/**
 * Starts the worker on an open storage: one engine for each device, of which each registers as a worker and takes one
 * training, one sweep and one request for pictures at a time. Writes the model's card into the records.
 *
 * @throws KronaError MODEL_NOT_FOUND, MODEL_*, SAFETENSORS_* when the folder that KRONA_MODEL names cannot be used;
 * DEVICE_UNAVAILABLE, ENGINE_DIED, KRONA_STATUS_PORT_TAKEN
 */
export async function startWorker(
  storage: Storage,
  config: Config,
  { log, openEngine = newEngine }: WorkerOptions,
): Promise<Worker> {
  const { records, blobs, jobs } = storage;
  const [first, ...others] = config.devices.map((asked) => ({ asked, engine: openEngine(config, asked) }));
  if (first === undefined) throw new Error('a worker without a device');
  const engines = [first, ...others];
  const stations: Station[] = [];
  let status: StatusServer | null = null;
  const stop = async (): Promise<void> => {
    await status?.close();
    await Promise.all(stations.map((station) => station.stop()));
    await Promise.all(engines.map(({ engine }) => engine.close()));
  };
  try {
    const ready = await Promise.all(engines.map((each) => prepare(each, log)));
    const { described, chosen } = at(ready, 0);
    const computer = await computerNow(records, described, chosen, config.dataFolder);
    const model = { ...described, computer };
    await records.saveModelCard(model);
    await refreshComputers(records, computer);
    const { dataFolder } = config;
    const all = engines.map(({ engine }) => engine);
    const shared = { records, blobs, model, engines: all, dataFolder, isApart: isApart(config), log };
    const sweepFolders = async (): Promise<void> => {
      await sweepRuns(shared);
      await sweepModels(shared);
    };
    await sweepFolders();
    if (await areBlobsElsewhere(records, blobs))
      log.warn(
        {},
        'no photo or picture of the records is in the blob store: set KRONA_BLOBS to the same place for bot and workers',
      );
    status = await startStatus('worker', {
      ...{ storage, config, log },
      checks: { engine: () => Promise.all(engines.map(({ engine }) => engine.device())) },
      async collect() {
        const memory = await Promise.all(engines.map(async ({ engine }) => (await engine.memory?.()) ?? 0));
        engineMemoryBytes.set(memory.reduce((sum, bytes) => sum + bytes, 0));
      },
      computes: { model: model.name, device: ready.map(({ chosen }) => chosen.device).join(' ') },
    });
    for (const { engine, ...device } of ready)
      stations.push(await Station.start({ ...shared, engine }, jobs, device));
    const stopSweeping = sweepDaily(records, blobs, {
      before: sweepFolders,
      onSwept: (removed) => removed > 0 && log.info({ removed }, 'removed files that nothing needs any more'),
      onError: (error) => log.warn({ error }, 'could not look for files that nothing needs any more'),
    });
    return {
      model,
      statusAddress: status?.address ?? null,
      async stop() {
        await stopSweeping();
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Whoever has the blobs of a folder in the data folder also has the rest of it. */
const isApart = ({ blobs, dataFolder }: Config): boolean =>
  blobs.kind !== 'folder' || relative(dataFolder, blobs.folder).startsWith('..');

const newEngine = (config: Config, device: EngineDevice): Engine =>
  new Engine(config.modelPath, { device, refiner: config.refinerPath, speed: config.speedPath });
