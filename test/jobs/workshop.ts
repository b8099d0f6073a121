/** @file A worker in a test: storage on a PostgreSQL server, the tiny model, a channel with a subject and its photos. */
import sharp from 'sharp';
import type { Log } from '../../core/log.ts';
import { startWorker, type Worker } from '../../gpu-worker/main.ts';
import type { Config } from '../../core/config.ts';
import type { Storage } from '../../storage/open.ts';
import type { RecordStore } from '../../storage/records.ts';
import type { Adapter, PictureSet, Progress, Run, Subject } from '../../core/records.ts';
import { DEFAULT_SETTINGS } from '../../core/settings/defaults.ts';
import type { ChannelSettings } from '../../core/settings/schema.ts';
import { TINY_MODEL } from '../helpers/fixtures.ts';
import type { TestHouse } from '../helpers/house.ts';
import { openServerHouse } from '../helpers/server-house.ts';
import { newRun, newSet, newSubject } from '../helpers/new-records.ts';

/** Settings that fit the tiny model: 60 steps with checkpoints at 20 and 40. */
export const SETTINGS: ChannelSettings = {
  ...DEFAULT_SETTINGS,
  a1: 4,
  a2: 2,
  steps: 60,
  samplingSteps: 3,
  count: 4,
};

export interface Workshop {
  readonly config: Config;
  readonly storage: Storage;
  /** What another worker reads to share the storage. */
  readonly environment: TestHouse['environment'];
  readonly subject: Subject;
  /** Another subject of the channel, for tests of what is its own. */
  addSubject(name: string): Promise<Subject>;
  readonly log: Log & { readonly lines: string[] };
  /** @param elsewhere - the storage of another machine, if the worker runs on one */
  startWorker(elsewhere?: Pick<TestHouse, 'storage' | 'config'>): Promise<Worker>;
  /** Adds a run of the subject and puts its job in the queue, unless told otherwise. */
  train(
    settings?: Partial<ChannelSettings>,
    change?: Partial<Run>,
    options?: { enqueue: boolean },
  ): Promise<Run>;
  /** All that a worker of this process has told of a run's progress, in order. */
  progressOf(run: Run): readonly Progress[];
  /** Adds a set and puts its job in the queue, unless told otherwise. */
  imagine(change?: Partial<PictureSet>, options?: { enqueue: boolean }): Promise<PictureSet>;
  /** The run's adapters in order of steps. */
  adaptersOf(run: Run): Promise<Adapter[]>;
  close(): Promise<void>;
}

/** @param environment - of the storage, beside the data folder */
export async function openWorkshop(environment: Readonly<Record<string, string>> = {}): Promise<Workshop> {
  const house = await openServerHouse({ KRONA_MODEL: TINY_MODEL, ...environment });
  const { config, storage } = house;
  const { records, blobs, jobs } = storage;
  const channel = await records.channel('web', 'general', 'general');
  const member = await records.member('web', 'ada', 'Ada');
  const addSubject = (name: string) =>
    records.addSubject(newSubject({ channelId: channel.id, ownerId: member.id, name }));
  const subject = await addSubject('Mochi');
  const photos: string[] = [];
  for (const background of ['#c33', '#39c', '#3a5'])
    photos.push((await blobs.put(await photo(background))).hash);
  const lines: string[] = [];
  const note = (fields: object, message: string): void => {
    const { error } = fields as { error?: Error };
    lines.push(error ? `${message}: ${error.stack}` : message);
  };
  const told = new Map<string, Progress[]>();
  const watched = (own: RecordStore): RecordStore => ({
    ...own,
    async updateRun(id, change) {
      if (change.progress) told.set(id, [...(told.get(id) ?? []), change.progress]);
      return own.updateRun(id, change);
    },
  });
  const log = { lines, info: note, warn: note, error: note };

  return {
    config,
    storage,
    environment: house.environment,
    subject,
    addSubject,
    log,
    startWorker: (at = house) =>
      startWorker({ ...at.storage, records: watched(at.storage.records) }, at.config, { log }),
    progressOf: ({ id }) => told.get(id) ?? [],
    async train(settings = {}, change = {}, { enqueue } = { enqueue: true }) {
      const run = await records.addRun(
        newRun(subject, { settings: { ...SETTINGS, ...settings }, seed: 7, photoHashes: photos, ...change }),
      );
      if (enqueue) await jobs.enqueue('train', run.id, { runId: run.id });
      return run;
    },
    async imagine(change = {}, { enqueue } = { enqueue: true }) {
      const set = await records.addSet(
        newSet({
          channelId: channel.id,
          memberId: member.id,
          prompt: 'a red fox',
          seed: 11,
          settings: SETTINGS,
          ...change,
        }),
      );
      if (enqueue) await jobs.enqueue('imagine', set.id, { setId: set.id });
      return set;
    },
    async adaptersOf(run) {
      const all = await records.adapters(channel.id);
      return all.filter(({ runId }) => runId === run.id).sort((a, b) => a.step - b.step);
    },
    close: () => house.close(),
  };
}

const photo = (background: string): Promise<Buffer> =>
  sharp({ create: { width: 80, height: 64, channels: 3, background } })
    .jpeg()
    .toBuffer();
