import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import * as op from '../../../gpu-worker/graph/ops.ts';
import { readStageRecord, statePath } from '../../../lab/pretrain/stage-record.ts';
import { runStage, type Stage } from '../../../lab/pretrain/stage.ts';
import { KeyedRandom } from '../../../core/random.ts';
import { loadOptimizer, saveOptimizer } from '../../../gpu-worker/training/optimizer-file.ts';

let root: string;
beforeAll(async () => (root = await mkdtemp(join(tmpdir(), 'krona-stage-'))));
afterAll(() => rm(root, { recursive: true, force: true }));

const WANTED = [0.5, -1, 2, 0.25];

/** Learns four numbers from noisy products with them. */
const stage: Stage = {
  name: 'numbers',
  settings: { batch: 8, steps: 60, lr: 0.2, warmup: 5, averageDecay: 0.9 },
  loss(p) {
    const guess = op.matmul(op.input('x', [8, 4]), p.tensor('w', [4, 1]));
    const miss = op.sub(guess, op.input('y', [8, 1]));
    return op.mean(op.mul(miss, miss), [0, 1]);
  },
  initial: (layout) => Promise.resolve(new Float32Array(layout.length)),
  batch(step) {
    const x = new KeyedRandom(1, 'x', step).normals(32);
    const noise = new KeyedRandom(1, 'noise', step).normals(8);
    const y = noise.map((e, row) => 0.01 * e + WANTED.reduce((sum, w, i) => sum + w * x[4 * row + i]!, 0));
    return Promise.resolve({ x, y });
  },
};

it('learns, and writes a page that shows its progress', async () => {
  const folder = join(root, 'undisturbed');
  const w = (await runStage(stage, { folder })).get('w')!;
  WANTED.forEach((wanted, i) => expect(Math.abs(w[i]! - wanted)).toBeLessThan(0.1));
  const page = await readFile(join(folder, 'index.html'), 'utf8');
  expect(page).toContain('<td>60 of 60<');
  expect(page.match(/<polyline points="([^"]+)"/)![1]!.split(' ')).toHaveLength(6);
});

it('can be stopped at any step, and gives the same numbers', async () => {
  const undisturbed = await runStage(stage, { folder: join(root, 'whole') });
  const folder = join(root, 'stopped');
  let seconds = 0;
  for (const last of [7, 8, 31]) {
    const abort = new AbortController();
    const seen: number[] = [];
    const stopped = runStage(stage, {
      folder,
      signal: abort.signal,
      onProgress: ({ step }) => {
        seen.push(step);
        if (step === last) abort.abort(new Error('enough'));
      },
    });
    await expect(stopped).rejects.toThrow('enough');
    expect(seen.at(-1)).toBe(last);
    expect(seen[0]).toBe(last === 7 ? 1 : last === 8 ? 8 : 9);
    // What the steps took is told of all of them together.
    const record = (await readStageRecord(folder, stage.name))!;
    expect(record.steps).toBe(last);
    expect(record.seconds).toBeGreaterThan(seconds);
    seconds = record.seconds!;
  }
  expect(await runStage(stage, { folder })).toEqual(undisturbed);
});

it('loses nothing when a step after a save fails, and leaves the last save to the caller', async () => {
  const folder = join(root, 'failing');
  const saved: number[] = [];
  const failing: Stage = {
    ...stage,
    async saved(_, step) {
      saved.push(step);
      if (step === 2) throw new Error('no more room');
    },
  };
  const options = { folder, secondsBetweenSaves: 0 };
  await expect(runStage(failing, options)).rejects.toThrow('no more room');
  await runStage(failing, options);
  expect(saved).toEqual(Array.from({ length: 59 }, (_, index) => index + 1));
});

it("doesn't guess the time of untimed steps", async () => {
  const folder = join(root, 'untimed');
  const abort = new AbortController();
  const stopped = runStage(stage, { folder, signal: abort.signal, onProgress: () => abort.abort() });
  await expect(stopped).rejects.toThrow();
  const path = statePath(folder, stage.name);
  await saveOptimizer(path, (await loadOptimizer(path))!.state);
  await runStage(stage, { folder });
  expect(await readStageRecord(folder, stage.name)).toMatchObject({ steps: 60, seconds: null });
});
