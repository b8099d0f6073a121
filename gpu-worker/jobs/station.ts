/** @file One engine at work: it registers as a worker, takes jobs, drains and stops. */
import { randomUUID } from 'node:crypto';
import { hostname, totalmem } from 'node:os';
import type { EngineDevice } from '../../core/config.ts';
import type { Log } from '../../core/log.ts';
import { version } from '../../core/package.ts';
import { RecentMap } from '../../core/recent.ts';
import type { JobQueue, JobWorkerHandle } from '../../storage/jobs/contract.ts';
import { type EngineWork, KEPT_ADAPTERS } from '../engine/protocol.ts';
import { leavingToOthers } from './affinity.ts';
import type { WorkerContext } from './context.ts';
import { imagineJob } from './imagine.ts';
import { pullJob } from './pull.ts';
import { measured } from './measured.ts';
import { sweepJob } from './sweep.ts';
import { trainJob } from './train.ts';
import { Presence } from './presence.ts';

/** Pictures under way when a worker drains are given back after this time, ms. Trainings are given back at once. */
const FINISH = 60_000;

/** Pulled models that count as open: how many are, memory decides. */
const KEPT_MODELS = 3;

export interface StationDevice {
  readonly asked: EngineDevice;
  readonly chosen: EngineWork['device']['answer'];
}

export class Station {
  readonly #log: Log;
  readonly #presence: Presence;
  readonly #handles: { readonly pictures: JobWorkerHandle; readonly trainings: readonly JobWorkerHandle[] };
  #draining: Promise<void> = Promise.resolve();

  private constructor(
    log: Log,
    presence: Presence,
    handles: { pictures: JobWorkerHandle; trainings: readonly JobWorkerHandle[] },
  ) {
    this.#log = log;
    this.#presence = presence;
    this.#handles = handles;
  }

  /** Registers, then takes one training, one sweep and one set of pictures at a time. */
  static async start(
    shared: Omit<WorkerContext, 'held' | 'opened'>,
    jobs: JobQueue,
    { asked, chosen }: StationDevice,
  ): Promise<Station> {
    const held = new RecentMap<string, true>(KEPT_ADAPTERS);
    const opened = new RecentMap<string, true>(KEPT_MODELS);
    const context = { ...shared, held, opened };
    const { records, model, log } = context;
    let station: Station | null = null;
    let isToDrain = false;
    const presence = new Presence({
      records,
      identity: {
        id: randomUUID(),
        host: hostname(),
        version,
        device: asked.card === null ? chosen.device : `${chosen.device}:${asked.card}`,
        memory: chosen.memory ?? totalmem(),
      },
      models: () => [model.name, ...opened.keys()],
      adapters: () => [...held.keys()],
      // A worker can be told to drain before it takes jobs.
      onDrain: () => {
        isToDrain = true;
        void station?.drain();
      },
      log,
    });
    await presence.start();
    const beforeTaking = leavingToOthers({
      records,
      self: () => presence.facts,
      others: () => presence.others(),
    });
    const pictures = await jobs.work(
      'imagine',
      presence.during('imagine', measured('imagine', imagineJob(context), context)),
      {
        beforeTaking,
      },
    );
    const trainings = [
      await jobs.work('train', presence.during('train', measured('train', trainJob(context), context))),
      await jobs.work('sweep', presence.during('sweep', measured('sweep', sweepJob(context), context))),
      await jobs.work('pull', presence.during('pull', measured('pull', pullJob(context), context))),
    ];
    station = new Station(log, presence, { pictures, trainings });
    if (isToDrain) void station.drain();
    return station;
  }

  /** Takes no more jobs. Trainings go back to the queue with all that they have done; pictures are drawn to their end. */
  drain(): Promise<void> {
    this.#draining = this.#drain().catch((error: unknown) => {
      this.#log.warn({ error }, 'this worker could not drain to its end: stop it');
    });
    return this.#draining;
  }

  /** Gives all jobs under way back to the queue. Takes as long as the step under way. */
  async stop(): Promise<void> {
    const { pictures, trainings } = this.#handles;
    await Promise.all([pictures, ...trainings].map((handle) => handle.close()));
    await this.#draining;
    await this.#presence.stop();
  }

  async #drain(): Promise<void> {
    const { pictures, trainings } = this.#handles;
    this.#log.warn({}, 'this worker drains: it takes no more jobs');
    this.#presence.state = 'draining';
    await Promise.all([pictures.close({ finishMs: FINISH }), ...trainings.map((handle) => handle.close())]);
    this.#presence.state = 'drained';
    this.#log.warn({}, 'this worker has drained: it can be stopped');
  }
}
