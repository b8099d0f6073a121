/**
 * Several workers on one installation, in processes and data folders of their own: who they are, what happens when one is
 * killed, and how one drains.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { nodeOptions } from '../../core/own-program.ts';
import type { PictureSet, Run } from '../../core/records.ts';
import { isGone } from '../../core/workers.ts';
import { TINY_MODEL } from '../helpers/fixtures.ts';
import { until } from '../helpers/until.ts';
import { krona } from '../cli/run-krona.ts';
import { type Server, startPostgres } from '../storage/helpers/servers.ts';
import { openWorkshop, SETTINGS, type Workshop } from './workshop.ts';

let server: Server;
let shared: Record<string, string>;
let shop: Workshop;
const folders: string[] = [];
const processes: ChildProcess[] = [];

beforeAll(async () => {
  server = await startPostgres();
  shared = { DATABASE_URL: server.url, KRONA_BLOBS: 'postgres' };
  shop = await openWorkshop(shared);
});
afterEach(async () => {
  for (const child of processes.splice(0)) await kill(child);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await shop?.close();
  await server?.stop();
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

/** Starts a worker on a machine of its own. */
async function beginWorker(environment: Readonly<Record<string, string>> = {}): Promise<ChildProcess> {
  const folder = await mkdtemp(join(tmpdir(), 'krona-test-'));
  folders.push(folder);
  const child = fork(join(import.meta.dirname, 'worker-process.ts'), {
    execArgv: [...nodeOptions],
    env: { ...process.env, KRONA_DATA: folder, KRONA_MODEL: TINY_MODEL, ...shared, ...environment },
  });
  processes.push(child);
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

const alive = async () => (await shop.storage.records.workers()).filter((worker) => !isGone(worker));
const ended = <T extends Run | PictureSet>(now: () => Promise<T | null>): Promise<T> =>
  until(async () => {
    const record = await now();
    return record !== null && record.endedAt !== null && record;
  });
const trained = ({ id }: Run) => ended(() => shop.storage.records.run(id));
const bytes = async (run: Run) => (await shop.adaptersOf(run)).map(({ step, blobHash }) => [step, blobHash]);

it('a run whose worker is killed goes on elsewhere from its last checkpoint, with the same bytes', async () => {
  const { records } = shop.storage;
  const plain = await shop.train();
  const first = await beginWorker();
  expect(await trained(plain)).toMatchObject({ state: 'done', failure: null });

  const moved = await shop.train();
  await until(() => records.runState(moved.id), 'a checkpoint');
  const [gone] = await alive();
  expect(gone?.doing).toContainEqual({ kind: 'train', id: moved.id });
  await kill(first);
  await beginWorker();
  const told = await until(async () => (await records.run(moved.id))?.progress?.resumed, 'the other worker');
  expect(told.elsewhere).toBe(true);
  expect(told.step).toBeGreaterThanOrEqual(20);
  expect(await trained(moved)).toMatchObject({ state: 'done', failure: null });
  expect(await bytes(moved)).toEqual(await bytes(plain));
  expect((await records.workers()).some(({ id }) => id === gone?.id)).toBe(true);
});

it('each device of KRONA_DEVICE is a worker: two engines draw at once, and one drains while the other goes on', async () => {
  const { records } = shop.storage;
  // One that was killed just now still counts as alive.
  const before = new Set((await records.workers()).map(({ id }) => id));
  const begun = async () => (await alive()).filter(({ id }) => !before.has(id));
  await beginWorker({ KRONA_DEVICE: 'cpu,cpu' });
  const both = () => begun().then((workers) => workers.length === 2 && workers);
  const [one, other] = await until(both, 'two workers');
  expect(one).toMatchObject({ device: 'cpu', models: ['model'], state: 'working' });

  // Long enough for a heartbeat or two.
  const long = { count: 8, settings: { ...SETTINGS, samplingSteps: 25 } };
  const sets = [await shop.imagine(long), await shop.imagine(long)];
  await until(
    async () => (await begun()).every(({ doing }) => doing.some(({ kind }) => kind === 'imagine')),
    'both to draw',
  );
  vi.stubEnv('DATABASE_URL', server.url);
  const drained = await krona('worker', 'drain', one!.id.slice(0, 8), '--json');
  expect(JSON.parse(drained.stdout)).toEqual({ drained: [one!.id], gone: [] });
  // It drew its set to the end.
  for (const { id } of sets)
    expect(await ended(() => records.set(id))).toMatchObject({ state: 'done', failure: null });
  const list = await krona('worker', 'list');
  expect(list.stdout).toMatch(new RegExp(`^${one!.id.slice(0, 8)} .* cpu, .* model  drained$`, 'm'));
  const next = await shop.imagine();
  await ended(() => records.set(next.id));
  expect((await alive()).find(({ id }) => id === one!.id)?.state).toBe('drained');
  expect((await alive()).find(({ id }) => id === other!.id)?.state).toBe('working');
});

it('a worker that falls silent while it drains does not count as drained', async () => {
  const { records } = shop.storage;
  const [id, drainedId] = [randomUUID(), randomUUID()];
  const facts = {
    host: 'far',
    version: '1.0.0',
    device: 'cpu',
    memory: 0,
    models: [],
    adapters: [],
    doing: [],
  };
  await records.saveWorker({ ...facts, id, state: 'draining' });
  vi.stubEnv('DATABASE_URL', server.url);
  const drained = await krona('worker', 'drain', id, '--json');
  expect(JSON.parse(drained.stdout)).toEqual({ drained: [], gone: [id] });
  await records.saveWorker({ ...facts, id: drainedId, state: 'drained' });
  const done = await krona('worker', 'drain', drainedId);
  expect(done.stdout).toMatch(/^1 worker drained/);
  await records.removeWorker(drainedId);
});
