/** Successive halving over factors and rates: what it costs, what it refuses, and that a stopped sweep ends alike. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rungsOf, sweepCells, sweepSteps } from '../../core/sweep-plan.ts';
import { runSweep, type SweepOptions, type SweepProgress } from '../../gpu-worker/training/sweep.ts';
import { makePhotos, tinyRun } from '../helpers/tiny-run.ts';

describe('the plan of a sweep', () => {
  it('halves the cells and doubles the steps up to those asked for', () => {
    expect(rungsOf(12, 200)).toEqual([
      { cells: 12, steps: 25 },
      { cells: 6, steps: 50 },
      { cells: 3, steps: 100 },
      { cells: 2, steps: 200 },
    ]);
    expect(rungsOf(2, 200)).toEqual([{ cells: 2, steps: 200 }]);
    expect(rungsOf(8, 30).map(({ steps }) => steps)).toEqual([20, 20, 30]);
  });

  it('costs the steps that each cell takes beyond its checkpoint', () => {
    expect(sweepSteps(rungsOf(12, 200))).toBe(12 * 25 + 6 * 25 + 3 * 50 + 2 * 100);
    expect(sweepSteps(rungsOf(2, 200))).toBe(400);
  });

  it('has every combination, in the order of a sheet', () => {
    expect(sweepCells({ a1: [2, 4], a2: [8], lr: [1e-3, 2e-3] })).toEqual([
      { a1: 2, a2: 8, lr: 1e-3 },
      { a1: 4, a2: 8, lr: 1e-3 },
      { a1: 2, a2: 8, lr: 2e-3 },
      { a1: 4, a2: 8, lr: 2e-3 },
    ]);
  });
});

describe('a sweep', () => {
  let folder: string;
  let photos: string[];
  const sweep = (name: string): SweepOptions => {
    const {
      out: _out,
      resume: _resume,
      trace: _trace,
      checkpointEvery: _every,
      ...options
    } = tinyRun(photos, '');
    const axes = { a1: [2, 4, 8], a2: [2], lr: [1e-2] };
    return { ...options, accumulation: 1, steps: 22, axes, folder: join(folder, name) };
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'krona-sweep-'));
    photos = await makePhotos(join(folder, 'photos'), 1);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('names every cell whose factors do not divide the model, before it trains', async () => {
    const phases: string[] = [];
    await expect(
      runSweep(
        { ...sweep('unfit'), axes: { a1: [2, 7], a2: [2], lr: [1e-2, 1e-3] } },
        { onProgress: ({ phase }) => void phases.push(phase) },
      ),
    ).rejects.toMatchObject({
      code: 'FACTORS_UNFIT',
      message: expect.stringMatching(/^7×2, lr 0\.01; 7×2, lr 0\.001: a1=7 does not divide/) as string,
    });
    expect(phases).toEqual([]);
  });

  it('ends with the best half, and with the same bytes when it was stopped', async () => {
    const seen: string[] = [];
    const told: SweepProgress[] = [];
    const finalists = await runSweep(sweep('whole'), {
      onResult: ({ a1, lr, score }) => void seen.push(`${score.step}: ${a1} ${lr}`),
      onProgress: (progress) => void told.push(progress),
    });
    expect(seen.filter((each) => each.startsWith('20'))).toHaveLength(3);
    expect(seen.filter((each) => each.startsWith('22'))).toHaveLength(2);
    expect(finalists).toHaveLength(2);
    expect(finalists[0]!.score.score).toBeGreaterThanOrEqual(finalists[1]!.score.score);
    expect(finalists.every(({ score }) => score.step === 22)).toBe(true);
    const steps = told.map(({ step }) => step);
    expect(steps).toEqual(steps.toSorted((a, b) => a - b));
    expect(told.at(-1)).toMatchObject({ step: 64, steps: 64, cell: { a2: 2 } });

    const stop = new AbortController();
    let trained = 0;
    await expect(
      runSweep(sweep('stopped'), {
        signal: stop.signal,
        onProgress: ({ phase }) => {
          if (phase === 'training' && ++trained === 30) stop.abort(new Error('stopped'));
        },
      }),
    ).rejects.toThrow('stopped');
    const again = await runSweep(sweep('stopped'));
    expect(again.map(({ score }) => score)).toEqual(finalists.map(({ score }) => score));
    for (const [n, { adapter }] of again.entries())
      expect(await readFile(adapter)).toEqual(await readFile(finalists[n]!.adapter));
  });

  it('leaves dropped cells out, and takes the next best in their place', async () => {
    const [best, second] = await runSweep(sweep('whole'));
    const left = await runSweep({ ...sweep('whole'), dropped: [best!] });
    expect(left).toHaveLength(2);
    // The next best has now trained as long, and may be better still.
    expect(left).toContainEqual(second);
    expect(left.map(({ adapter }) => adapter)).not.toContain(best!.adapter);
  });

  it('goes on with cells of the same model only', async () => {
    await runSweep(sweep('whole'));
    const path = join(folder, 'whole', 'sweep.json');
    const text = await readFile(path, 'utf8');
    const { model, scores } = JSON.parse(text) as { model: object; scores: unknown[] };
    expect(scores.length).toBeGreaterThanOrEqual(5);
    await writeFile(path, JSON.stringify({ model: { ...model, unet: 'another' }, scores }));
    await expect(runSweep(sweep('whole'))).rejects.toMatchObject({ code: 'RESUME_MISMATCH' });
    // A power cut can leave the end of a file empty.
    await writeFile(path, text.slice(0, -10));
    await expect(runSweep(sweep('whole'))).rejects.toMatchObject({ code: 'RESUME_DAMAGED' });
    await writeFile(path, JSON.stringify({ model, scores: [[7, { step: 20 }]] }));
    await expect(runSweep(sweep('whole'))).rejects.toMatchObject({ code: 'RESUME_DAMAGED' });
    await writeFile(path, text);
  });

  it('trains a finalist again whose file is lost, from its state', async () => {
    const whole = await runSweep(sweep('whole'));
    const bytes = await readFile(whole[0]!.adapter);
    await rm(whole[0]!.adapter);
    expect(await runSweep(sweep('whole'))).toEqual(whole);
    expect(await readFile(whole[0]!.adapter)).toEqual(bytes);
  });

  it('needs a constant learning rate', async () => {
    await expect(runSweep({ ...sweep('falling'), lrSchedule: 'cosine' })).rejects.toMatchObject({
      code: 'SWEEP_SCHEDULE',
    });
  });
});
