/** @file Queues that lose their jobs: a Redis server that comes back empty, and a table that is emptied. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readConfig } from '../../core/config.ts';
import type { PictureSet, Run } from '../../core/records.ts';
import { openStorage, type Storage } from '../../storage/open.ts';
import { relayOutbox } from '../../storage/outbox.ts';
import { newRun, newSet, newSubject } from '../helpers/new-records.ts';
import { until } from '../helpers/until.ts';
import { hasRedis, startPostgres, startRedis, type Server } from './helpers/servers.ts';

let folder: string;
let database: Server;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-test-'));
  database = await startPostgres();
});
afterEach(async () => {
  await database.stop();
  await rm(folder, { recursive: true });
});

const open = async (redis?: string): Promise<Storage> =>
  openStorage(
    await readConfig({ KRONA_DATA: folder, DATABASE_URL: database.url, ...(redis && { REDIS_URL: redis }) }),
  );

/** A run and a set that wait in the queue, a run that was started, one that has ended, and its samples. */
async function fill({ records }: Storage): Promise<{ run: Run; set: PictureSet; begun: Run; done: Run }> {
  const channel = await records.channel('web', 'lab', 'lab');
  const ann = await records.member('web', 'ann', 'Ann');
  const subject = await records.addSubject(newSubject({ channelId: channel.id, ownerId: ann.id }));
  const run = await records.addRun(newRun(subject));
  const begun = await records.addRun(newRun(subject, { state: 'running' }));
  const done = await records.addRun(newRun(subject, { state: 'done', endedAt: new Date() }));
  const of = { channelId: channel.id, memberId: ann.id };
  const set = await records.addSet(newSet(of));
  await records.addSet(newSet({ ...of, kind: 'samples', runId: begun.id }));
  for (const { id } of [run, begun, done])
    await records.addOutboxJob({ id, kind: 'train', payload: { runId: id } });
  await records.addOutboxJob({ id: set.id, kind: 'imagine', payload: { setId: set.id } });
  return { run, set, begun, done };
}

/** Two bots move and restore jobs while `lose` empties the queue; then a worker runs what there is. */
async function loseQueue(storage: Storage, lose: () => Promise<void>): Promise<void> {
  const { run, set, begun, done } = await fill(storage);
  await storage.jobs.enqueue('train', done.id, { runId: done.id });
  const relays = [1, 2].map(() => relayOutbox(storage.records, storage.jobs, { lookMs: 100 }));
  const all = async (): Promise<string[]> => [
    ...(await storage.jobs.unfinished('train')),
    ...(await storage.jobs.unfinished('imagine')),
  ];
  await until(async () => (await all()).length === 4, 'all jobs in the queue');
  await lose();
  const lost = [run.id, set.id, begun.id].sort();
  await until(async () => (await all()).length === 3, 'lost jobs in the queue again');
  expect((await all()).sort()).toEqual(lost);

  const ran: string[] = [];
  const end = { state: 'done', endedAt: new Date() } as const;
  const handles = [
    await storage.jobs.work('train', async ({ payload: { runId } }) => {
      ran.push(runId);
      await storage.records.updateRun(runId, end);
    }),
    await storage.jobs.work('imagine', async ({ payload: { setId } }) => {
      ran.push(setId);
      await storage.records.updateSet(setId, end);
    }),
  ];
  await until(async () => ran.length >= 3 && (await all()).length === 0, 'the end of all jobs');
  await Promise.all(relays.map((stop) => stop()));
  for (const handle of handles) await handle.close();
  expect(ran.sort()).toEqual(lost);
}

describe('a run or set whose job is in no queue', () => {
  it.skipIf(!hasRedis)('is queued again, once, when Redis comes back empty', async () => {
    let redis = await startRedis();
    const storage = await open(redis.url);
    try {
      await loseQueue(storage, async () => {
        await redis.stop();
        redis = await startRedis(Number(new URL(redis.url).port));
        const isBack = () =>
          storage.jobs.check().then(
            () => true,
            () => false,
          );
        await until(isBack, 'Redis');
      });
    } finally {
      await storage.close();
      await redis.stop();
    }
  });

  it('is queued again, once, when its table was emptied', async () => {
    const storage = await open();
    const client = new pg.Client({ connectionString: database.url });
    try {
      await client.connect();
      await loseQueue(storage, async () => void (await client.query('TRUNCATE public.job CASCADE')));
    } finally {
      await client.end();
      await storage.close();
    }
  });

  it('is queued again when its job failed without ending its record, and not once it has ended', async () => {
    const storage = await open();
    const { records, jobs } = storage;
    try {
      const { run } = await fill(storage);
      let broken = true;
      const handle = await jobs.work('train', async ({ id, signal }) => {
        signal.throwIfAborted();
        // As when the database goes away while the job is running.
        if (broken && id === run.id) throw new Error('could not write the record');
        await records.updateRun(id, { state: 'done', endedAt: new Date() });
      });
      await jobs.enqueue('train', run.id, { runId: run.id });
      await until(async () => (await jobs.state('train', run.id)) === 'failed', 'the failure');
      broken = false;
      const stop = relayOutbox(records, jobs, { lookMs: 100 });
      await until(async () => (await records.run(run.id))?.state === 'done', 'its second run');
      await until(async () => (await jobs.unfinished('train')).size === 0, 'an empty queue');
      await stop();
      await handle.close();
    } finally {
      await storage.close();
    }
  });
});
