/** Sweeps in the worker, with its engine process, the embedded storage and the tiny model. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { cellName, sweepCells, type SweepAxes } from '../../core/sweep-plan.ts';
import { Picture } from '../../core/pictures/picture.ts';
import { cellFile } from '../../gpu-worker/training/sweep.ts';
import type { Worker } from '../../gpu-worker/main.ts';
import type { Run, SweptCell } from '../../core/records.ts';
import { variation } from '../helpers/variations.ts';
import { openWorkshop, SETTINGS, type Workshop } from './workshop.ts';

vi.setConfig({ testTimeout: 600_000, hookTimeout: 300_000 });

const AXES: SweepAxes = { a1: [2], a2: [2], lr: [1e-2, 5e-3, 2e-3] };

let shop: Workshop;
let worker: Worker | null = null;

const runNow = async ({ id }: Run): Promise<Run> => (await shop.storage.records.run(id))!;
/** Scoring a cell opens the model anew, which takes long on a machine that does other things. */
const until = <T>(look: () => Promise<T>): Promise<T> =>
  vi.waitFor(look, { timeout: 550_000, interval: 200 });
const ended = (run: Run) =>
  until(async () => {
    const now = await runNow(run);
    expect(['queued', 'running']).not.toContain(now.state);
    return now;
  });
const scored = async (run: Run) =>
  (await runNow(run)).sweep!.cells.filter(({ score }) => score !== null).length;

async function sweep(): Promise<Run> {
  const cells = sweepCells(AXES).map((cell) => ({ ...cell, score: null, dropped: false }));
  const run = await shop.train(
    { steps: 22, lr: 1e-2 },
    { sweep: { cells, finalists: [], kept: null } },
    { enqueue: false },
  );
  await shop.storage.jobs.enqueue('sweep', run.id, { runId: run.id });
  return run;
}

beforeAll(async () => {
  shop = await openWorkshop();
  worker = await shop.startWorker();
});
afterAll(async () => {
  await worker?.stop();
  await shop?.close();
});

it('leaves scores, a sheet and the two best adapters, and crowns nobody but the first of a subject', async () => {
  const { records, blobs } = shop.storage;
  const run = await ended(await sweep());
  expect(run.failure).toBeNull();
  const { cells, finalists } = run.sweep!;
  expect(cells.map(({ score }) => score!.step).toSorted((a, b) => a - b)).toEqual([20, 22, 22]);
  const adapters = await shop.adaptersOf(run);
  expect(new Set(finalists)).toEqual(new Set(adapters.map(({ id }) => id)));
  const best = finalists.map((id) => {
    const { settings } = adapters.find((each) => each.id === id)!;
    return cells.find((cell) => cellName(cell) === cellName(settings))!.score!;
  });
  expect(best.map(({ step }) => step)).toEqual([22, 22]);
  expect(best[0]!.score).toBeGreaterThanOrEqual(best[1]!.score);
  const [sheet, ...others] = await records.setsOfRun(run.id);
  expect([sheet!.kind, sheet!.state, others.length]).toEqual(['samples', 'done', 0]);
  const [picture] = await records.pictures(sheet!.id);
  const opened = await Picture.open(await blobs.get(picture!.blobHash), 'The sheet');
  expect([opened.width, opened.height]).toEqual([picture!.width, picture!.height]);
  expect((await records.subject(shop.subject.id))!.championId).toBe(finalists[0]);
  await until(async () => expect(await readdir(join(shop.config.dataFolder, 'runs'))).toEqual([]));
});

variation(
  'a cell that is dropped after the last training is no finalist: the next best takes its place',
  async () => {
    const { records } = shop.storage;
    await worker?.stop();
    const stored: Parameters<typeof records.addAdapter>[0][] = [];
    // A member drops the best while its file is being stored.
    const addAdapter: typeof records.addAdapter = async (adapter) => {
      await records.addAdapter(adapter);
      if (stored.push(adapter) > 1) return;
      const now = (await records.run(adapter.runId))!.sweep!;
      const isBest = (cell: SweptCell) => cellName(cell) === cellName(adapter.settings);
      const cells = now.cells.map((cell) => ({ ...cell, dropped: isBest(cell) }));
      await records.updateRun(adapter.runId, { sweep: { ...now, cells } });
    };
    worker = await shop.startWorker({
      config: shop.config,
      storage: { ...shop.storage, records: { ...records, addAdapter } },
    });
    const run = await ended(await sweep());
    expect(run.failure).toBeNull();
    const kept = await shop.adaptersOf(run);
    expect(new Set(kept.map(({ id }) => id))).toEqual(new Set(run.sweep!.finalists));
    expect(kept).toHaveLength(2);
    expect(kept.map(({ settings }) => cellName(settings))).not.toContain(cellName(stored[0]!.settings));
  },
);

it('ends for a training, for a stop of the worker and for a dropped cell, and goes on with what it has', async () => {
  const { records } = shop.storage;
  const run = await sweep();
  await until(async () => expect(await scored(run)).toBeGreaterThanOrEqual(1));
  const training = await ended(await shop.train({ steps: 20 }));
  expect(training.state).toBe('done');
  expect((await runNow(run)).state).toBe('running');
  expect(shop.progressOf(run).map(({ phase }) => phase)).toContain('waiting for a training');
  await worker?.stop();
  worker = null;
  const before = await runNow(run);
  // As on another machine, which trains no cell that was dropped.
  const [first] = before.sweep!.cells;
  await rm(cellFile(join(shop.config.dataFolder, 'runs', run.id, 'cells'), first!));
  worker = await shop.startWorker();
  await records.updateRun(run.id, {
    sweep: { ...before.sweep!, cells: before.sweep!.cells.map((cell, n) => ({ ...cell, dropped: n === 0 })) },
  });
  const after = await ended(run);
  expect(after.failure).toBeNull();
  const [dropped] = after.sweep!.cells;
  expect(dropped!.dropped).toBe(true);
  const finalists = (await shop.adaptersOf(run)).map(({ settings }) => cellName(settings));
  expect(finalists).toHaveLength(2);
  expect(finalists).not.toContain(cellName(dropped!));
  const { settings } = (await shop.adaptersOf(run))[0]!;
  expect(settings.samplingSteps).toBe(SETTINGS.samplingSteps);
});

it('whose worker has vanished goes on at another one, which trains no finished cell again', async () => {
  await worker?.stop();
  worker = null;
  const folders = await Promise.all([0, 1].map(() => mkdtemp(join(tmpdir(), 'krona-test-'))));
  // Both see the blobs, and no folder of each other's.
  const [first, second] = folders.map((dataFolder) => ({
    config: { ...shop.config, dataFolder },
    storage: shop.storage,
  }));
  let vanished: Worker | null = await shop.startWorker(first);
  try {
    const run = await sweep();
    await until(async () => expect(await scored(run)).toBeGreaterThanOrEqual(1));
    await vanished.stop();
    vanished = null;
    const finished = (await runNow(run)).sweep!.cells.filter(({ score }) => score !== null).map(cellName);
    const shown = shop.progressOf(run).length;
    worker = await shop.startWorker(second);
    const { failure, sweep: after } = await ended(run);
    expect(failure).toBeNull();
    const trained = shop
      .progressOf(run)
      .slice(shown)
      .filter(({ phase, step }) => phase.startsWith('training') && step <= 20 * finished.length);
    for (const name of finished) expect(trained.map(({ phase }) => phase)).not.toContain(`training ${name}`);
    expect(after!.finalists).toHaveLength(2);
  } finally {
    await vanished?.stop();
    await worker?.stop();
    worker = null;
    for (const folder of folders) await rm(folder, { recursive: true, force: true });
  }
});
