/** @file A worker in a test: the embedded storage, the tiny model, a channel with a subject and its photos. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import type { Log } from '../../core/log.ts';
import { startWorker, type Worker } from '../../gpu-worker/main.ts';
import { readConfig, type Config } from '../../core/config.ts';
import { startEmbeddedDatabase } from '../../storage/embedded/database.ts';
import { openStorage, type Storage } from '../../storage/open.ts';
import type { Adapter, PictureSet, Run, Subject } from '../../core/records.ts';
import { DEFAULT_SETTINGS } from '../../core/settings/defaults.ts';
import type { ChannelSettings } from '../../core/settings/schema.ts';
import { TINY_MODEL } from '../helpers/fixtures.ts';

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
  readonly subject: Subject;
  readonly log: Log & { readonly lines: string[] };
  startWorker(): Promise<Worker>;
  /** Adds a run of the subject and puts its job in the queue. */
  train(settings?: Partial<ChannelSettings>, change?: Partial<Run>): Promise<Run>;
  /** Adds a set and puts its job in the queue, unless told otherwise. */
  imagine(change?: Partial<PictureSet>, options?: { enqueue: boolean }): Promise<PictureSet>;
  /** The run's adapters in order of steps. */
  adaptersOf(run: Run): Promise<Adapter[]>;
  close(): Promise<void>;
}

export async function openWorkshop(): Promise<Workshop> {
  const dataFolder = await mkdtemp(join(tmpdir(), 'krona-jobs-'));
  const database = await startEmbeddedDatabase({ dataFolder });
  const config = await readConfig({ KRONA_DATA: dataFolder, KRONA_MODEL: TINY_MODEL });
  const storage = await openStorage(config);
  const { records, blobs, jobs } = storage;
  const channel = await records.channel('web', 'general', 'general');
  const member = await records.member('web', 'ada', 'Ada');
  const subject = await records.addSubject({
    id: randomUUID(),
    channelId: channel.id,
    name: 'Mochi',
    className: 'cat',
    token: 'zqkv',
    ownerId: member.id,
  });
  const photos: string[] = [];
  for (const background of ['#c33', '#39c', '#3a5'])
    photos.push((await blobs.put(await photo(background))).hash);
  const lines: string[] = [];
  const note = (fields: object, message: string): void => {
    const { error } = fields as { error?: Error };
    lines.push(error ? `${message}: ${error.stack}` : message);
  };
  const log = { lines, info: note, warn: note, error: note };

  return {
    config,
    storage,
    subject,
    log,
    startWorker: () => startWorker(storage, config, { log }),
    async train(settings = {}, change = {}) {
      const run = await records.addRun({
        id: randomUUID(),
        channelId: channel.id,
        subjectId: subject.id,
        memberId: member.id,
        state: 'queued',
        settings: { ...SETTINGS, ...settings },
        seed: 7,
        photoHashes: photos,
        ...change,
      });
      await jobs.enqueue('train', run.id, { runId: run.id });
      return run;
    },
    async imagine(change = {}, { enqueue } = { enqueue: true }) {
      const set = await records.addSet({
        id: randomUUID(),
        channelId: channel.id,
        memberId: member.id,
        kind: 'imagine',
        runId: null,
        subjectId: null,
        prompt: 'a red fox',
        negative: null,
        seed: 11,
        count: 1,
        strength: 1,
        settings: SETTINGS,
        adapterId: null,
        state: 'queued',
        ...change,
      });
      if (enqueue) await jobs.enqueue('imagine', set.id, { setId: set.id });
      return set;
    },
    async adaptersOf(run) {
      const all = await records.adapters(channel.id);
      return all.filter(({ runId }) => runId === run.id).sort((a, b) => a.step - b.step);
    },
    async close() {
      await storage.close();
      await database.close();
      await rm(dataFolder, { recursive: true, force: true });
    },
  };
}

const photo = (background: string): Promise<Buffer> =>
  sharp({ create: { width: 80, height: 64, channels: 3, background } })
    .jpeg()
    .toBuffer();
