/** @file From a transaction to the queue, through openStorage as bot and worker use it. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { readConfig, type Config } from '../../core/config.ts';
import { openStorage, type Storage } from '../../storage/open.ts';
import { relayOutbox } from '../../storage/outbox.ts';
import { newRun, newSet, newSubject } from '../helpers/new-records.ts';
import { startPostgres, type Server } from './helpers/servers.ts';

const PATIENCE = { timeout: 30_000, interval: 50 };
let config: Config;
let server: Server;
let bot: Storage;
let worker: Storage;

beforeAll(async () => {
  server = await startPostgres();
  const folder = await mkdtemp(join(tmpdir(), 'krona-test-'));
  config = await readConfig({ KRONA_DATA: folder, DATABASE_URL: server.url });
  [bot, worker] = await Promise.all([openStorage(config), openStorage(config)]);
});
afterAll(async () => {
  await bot?.close();
  await worker?.close();
  await server?.stop();
  await rm(config.dataFolder, { recursive: true });
});

it('brings every job to the worker once, in order, with several relays', async () => {
  const ids = Array.from({ length: 20 }, () => randomUUID());
  for (const id of ids) {
    await bot.records.transaction((records) =>
      records.addOutboxJob({ id, kind: 'imagine', payload: { setId: id } }),
    );
  }
  const ran: string[] = [];
  const handle = await worker.jobs.work('imagine', async ({ payload }) => void ran.push(payload.setId));
  const stops = [relayOutbox(bot.records, bot.jobs), relayOutbox(worker.records, worker.jobs)];
  await vi.waitFor(() => expect(ran).toHaveLength(20), PATIENCE);
  await Promise.all(stops.map((stop) => stop()));
  await handle.close();
  expect(ran).toEqual(ids);
  expect(await bot.records.outboxJobs(10)).toEqual([]);
});

it('repeats nothing when a relay dies between adding a job and removing its row', async () => {
  const id = randomUUID();
  const job = { id, kind: 'imagine', payload: { setId: id } } as const;
  let runs = 0;
  const handle = await worker.jobs.work('imagine', async () => void runs++);
  await bot.records.addOutboxJob(job);
  await bot.jobs.enqueue(job.kind, job.id, job.payload);
  await vi.waitFor(async () => expect(await bot.jobs.state('imagine', id)).toBe('completed'), PATIENCE);
  const stop = relayOutbox(bot.records, bot.jobs);
  await vi.waitFor(async () => expect(await bot.records.outboxJobs(10)).toEqual([]), PATIENCE);
  await stop();
  await handle.close();
  expect(runs).toBe(1);
});

it('continues after a failure', async () => {
  const errors: unknown[] = [];
  const id = randomUUID();
  await bot.records.addOutboxJob({ id, kind: 'train', payload: { runId: id } });
  const closed = await openStorage(config);
  await closed.close();
  const failing = relayOutbox(closed.records, closed.jobs, { onError: (error) => errors.push(error) });
  await vi.waitFor(() => expect(errors).toHaveLength(1), PATIENCE);
  await failing();
  const stop = relayOutbox(bot.records, bot.jobs);
  await vi.waitFor(async () => expect(await bot.jobs.state('train', id)).toBe('waiting'), PATIENCE);
  await stop();
});

it('a set that waits for a run is drawn, even if it was added just as the run ended', async () => {
  const { records } = bot;
  const channel = await records.channel('web', 'late', 'late');
  const ann = await records.member('web', 'ann', 'Ann');
  const subject = await records.addSubject(newSubject({ channelId: channel.id, ownerId: ann.id }));
  const ended = await records.addRun(newRun(subject, { state: 'cancelled', endedAt: new Date() }));
  const open = await records.addRun(newRun(subject));
  const of = { channelId: channel.id, memberId: ann.id, subjectId: subject.id };
  const [late, waiting] = [
    await records.addSet(newSet({ ...of, awaitsRunId: ended.id })),
    await records.addSet(newSet({ ...of, awaitsRunId: open.id })),
  ];
  const stops = [bot, worker].map((each) => relayOutbox(each.records, each.jobs));
  await vi.waitFor(async () => expect((await records.set(late.id))?.state).toBe('failed'), PATIENCE);
  await Promise.all(stops.map((stop) => stop()));
  expect((await records.set(late.id))?.failure?.message).toMatch(/training of .*, which was cancelled/);
  expect(await records.set(waiting.id)).toMatchObject({ state: 'queued', awaitsRunId: open.id });
});

it('jobs on their way to the queue are not told as lost', async () => {
  const { records } = bot;
  const channel = await records.channel('web', 'many', 'many');
  const ann = await records.member('web', 'ann', 'Ann');
  // More than one round moves.
  const ids = Array.from({ length: 60 }, () => randomUUID());
  for (const id of ids) {
    await records.addSet(newSet({ id, channelId: channel.id, memberId: ann.id }));
    await records.addOutboxJob({ id, kind: 'imagine', payload: { setId: id } });
  }
  let lost = 0;
  const stop = relayOutbox(records, bot.jobs, { onRestored: (jobs) => (lost += jobs) });
  await vi.waitFor(async () => expect(await records.outboxJobs(1)).toEqual([]), PATIENCE);
  await stop();
  expect(lost).toBe(0);
  expect((await bot.jobs.unfinished('imagine')).size).toBeGreaterThanOrEqual(60);
});
