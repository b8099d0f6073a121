/** A run that keeps its best checkpoint: the score decides, the run ends early, and a stopped one ends with the same bytes. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CheckpointScore } from '../../core/records.ts';
import { bestOf, isPastBest } from '../../gpu-worker/training/best-checkpoint.ts';
import { checkpointPath, trainedSteps } from '../../gpu-worker/training/checkpoint.ts';
import { referencesOf, scoreOf } from '../../gpu-worker/training/built-in-score.ts';
import { judgingPhotos, trainedPhotos } from '../../gpu-worker/training/held-out-photos.ts';
import { loadOptimizer, saveOptimizer } from '../../gpu-worker/training/optimizer-file.ts';
import { statePath } from '../../gpu-worker/training/resume.ts';
import { trainAdapter } from '../../gpu-worker/training/train.ts';
import type { TrainOptions, TrainResult } from '../../gpu-worker/training/train-options.ts';
import { makePhotos, tinyRun } from '../helpers/tiny-run.ts';
import { someOf } from '../helpers/variations.ts';

const scored = (...scores: number[]): CheckpointScore[] =>
  scores.map((score, n) => ({ step: 10 * (n + 1), fidelity: score, alignment: score, score }));

describe('the best checkpoint', () => {
  it('is the first with the highest score', () => {
    expect(bestOf(scored(0.2, 0.5, 0.4, 0.5))?.step).toBe(20);
    expect(bestOf([])).toBeNull();
  });

  it('ends the run when as many after it are no better as there is patience', () => {
    const over = (...scores: number[]) => isPastBest(scored(...scores), { keep: 'best', patience: 2 });
    expect(over(0.2, 0.5, 0.4)).toBe(false);
    expect(over(0.2, 0.5, 0.4, 0.5)).toBe(true);
    expect(over(0.5, 0.4, 0.6, 0.5)).toBe(false);
    expect(isPastBest(scored(3, 2, 1), { keep: 'last', patience: 1 })).toBe(false);
  });
});

describe('the score', () => {
  const own = [Float32Array.of(0, 0, 0), Float32Array.of(2, 0, 0), Float32Array.of(0, 2, 0)];
  const photos = [Float32Array.of(0.5, 0.5, 4)];
  const references = referencesOf(photos, own);

  it('is high for pictures of the subject that change with the prompt, as the own pictures do', () => {
    const drawn = own.map(([x = 0, y = 0]) => Float32Array.of(x, y, 4));
    const { fidelity, alignment, score } = scoreOf(drawn, references);
    expect(fidelity).toBeGreaterThan(0.7);
    expect(alignment).toBeCloseTo(1, 6);
    expect(score).toBeCloseTo((2 * fidelity * alignment) / (fidelity + alignment), 12);
  });

  it('is 0 for copies of a photo, whatever the prompt', () => {
    expect(
      scoreOf(
        own.map(() => Float32Array.of(0.5, 0.5, 4)),
        references,
      ),
    ).toMatchObject({
      fidelity: expect.closeTo(1, 6) as number,
      alignment: 0,
      score: 0,
    });
  });

  it('is low for the model’s own pictures', () => {
    const { fidelity, alignment, score } = scoreOf(own, references);
    expect(alignment).toBeCloseTo(1, 6);
    expect(fidelity).toBeLessThan(0.1);
    expect(score).toBeLessThan(0.2);
  });

  it('compares with photos that were not trained on, where there are enough', () => {
    const of = (count: number) => Array.from({ length: count }, (_, n) => `${n}.png`);
    expect(judgingPhotos({ photos: of(7) })).toHaveLength(7);
    expect(judgingPhotos({ photos: of(8) })).toEqual(['3.png', '7.png']);
    const captions = of(8).map((name) => `caption of ${name}`);
    const { photos: trained, captions: ofTrained } = trainedPhotos({
      photos: of(8),
      captions,
      keep: 'best' as const,
    });
    expect(trained).toEqual(['0.png', '1.png', '2.png', '4.png', '5.png', '6.png']);
    expect(ofTrained?.[3]).toBe('caption of 4.png');
    expect(trainedPhotos({ photos: of(8) }).photos).toHaveLength(8);
  });
});

describe('a run that keeps the best', () => {
  let folder: string;
  let photos: string[];
  let whole: TrainResult;
  /** The same run, but it keeps its last. */
  let last: TrainResult;
  const run = (name: string, changed: Partial<TrainOptions> = {}): TrainOptions => ({
    ...tinyRun(photos, join(folder, `${name}.safetensors`)),
    accumulation: 1,
    steps: 9,
    checkpointEvery: 3,
    keep: 'best',
    patience: 2,
    ...changed,
  });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'krona-best-'));
    photos = await makePhotos(join(folder, 'photos'), 2);
    whole = await trainAdapter(run('whole'));
    last = await trainAdapter(run('last', { keep: 'last' }));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('gives the bytes of its best checkpoint, whose steps the file and the result say', async () => {
    const best = bestOf(whole.scores);
    expect(whole.scores.map(({ step }) => step)).toEqual([3, 6, 9].slice(0, whole.scores.length));
    expect(whole.steps).toBe(best?.step);
    expect(await readFile(whole.adapter)).toEqual(await readFile(checkpointPath(whole.adapter, whole.steps)));
    expect(await trainedSteps(whole.adapter)).toBe(whole.steps);
    expect(whole.loss).toHaveLength(whole.scores.at(-1)?.step ?? 0);
  });

  it('has the checkpoints of a run that keeps its last', async () => {
    expect(last.scores).toEqual([]);
    for (const { step } of whole.scores.slice(0, -1))
      expect(await factors(checkpointPath(last.adapter, step))).toEqual(
        await factors(checkpointPath(whole.adapter, step)),
      );
  });

  it('ends with the same bytes and scores when it is stopped anywhere, also between a checkpoint and its score', async () => {
    for (const at of someOf(['scoring 3', 'training 4'] as const)) {
      const stop = new AbortController();
      const options = run(`stopped-${at.replace(' ', '-')}`);
      let asked = 0;
      await expect(
        trainAdapter(options, {
          signal: stop.signal,
          onProgress: ({ phase, step }) => {
            if (`${phase} ${step}` === at) stop.abort(new Error('stopped'));
          },
          // The second picture of the first score.
          turn: async () => {
            asked += 1;
            if (at === 'scoring 3' && asked === 5) stop.abort(new Error('stopped'));
          },
        }),
      ).rejects.toThrow('stopped');
      const resumed = await trainAdapter({ ...options, resume: true });
      expect(resumed.scores).toEqual(whole.scores);
      expect(await readFile(resumed.adapter)).toEqual(await readFile(whole.adapter));
    }
  });

  it('gives the best of the checkpoints that are left, where one was lost before it was resumed', async () => {
    const stop = new AbortController();
    const options = run('lost', { steps: 6, patience: 9 });
    const onProgress = ({ phase, step }: { phase: string; step: number }) =>
      phase === 'training' && step === 4 && stop.abort(new Error('stopped'));
    await expect(trainAdapter(options, { signal: stop.signal, onProgress })).rejects.toThrow('stopped');
    const { state, facts } = (await loadOptimizer(statePath(options.out)))!;
    const [score] = JSON.parse(facts.get('scores')!) as CheckpointScore[];
    const scores = JSON.stringify([{ ...score, score: 2 }]);
    await saveOptimizer(statePath(options.out), state, { ...Object.fromEntries(facts), scores });
    await rm(checkpointPath(options.out, 3));
    expect((await trainAdapter({ ...options, resume: true })).steps).toBe(6);
  });

  it('goes on with more steps where its state is kept', async () => {
    const short = run('longer', {
      keep: 'last',
      scored: true,
      keepState: true,
      checkpointEvery: null,
      steps: 3,
    });
    const first = await trainAdapter(short);
    expect(first.scores.map(({ step }) => step)).toEqual([3]);
    const second = await trainAdapter({ ...short, resume: true, steps: 9 });
    expect(second.scores.map(({ step }) => step)).toEqual([3, 9]);
    expect(await factors(second.adapter)).toEqual(await factors(last.adapter));
  });
});

/** The numbers of an adapter's file, without what it says of its settings. */
async function factors(path: string): Promise<Buffer> {
  const bytes = await readFile(path);
  return bytes.subarray(8 + Number(bytes.readBigUInt64LE(0)));
}
