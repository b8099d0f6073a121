/** Refining an adapter with pairs: torch's losses and steps, and the same bytes after a kill. */
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSafetensors, readTensor } from '../../gpu-worker/models/safetensors.ts';
import { splitPairs } from '../../gpu-worker/training/pairs.ts';
import { trainAdapter } from '../../gpu-worker/training/train.ts';
import type { TrainOptions } from '../../gpu-worker/training/train-options.ts';
import { PREFERENCES, type Preference } from '../../core/settings/choices.ts';
import { worstError } from '../helpers/fixtures.ts';
import { makePhotos, refineRun } from '../helpers/tiny-run.ts';

/** Several graphs are compiled: patience on a busy machine, ms. */
const LONG = 600_000;

let folder: string;
let runs: Record<Preference, TrainOptions>;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-refine-'));
  runs = {
    dpo: await refineRun(join(folder, 'dpo'), join(folder, 'dpo.safetensors'), 'dpo'),
    ipo: await refineRun(join(folder, 'ipo'), join(folder, 'ipo.safetensors'), 'ipo'),
  };
}, LONG);
afterAll(() => rm(folder, { recursive: true }));

const numbers = (data: object) => Float64Array.from(data as Iterable<number | bigint>, Number);

describe.each(PREFERENCES)('%s', (preference) => {
  it(
    'computes the run that torch reproduced (test/fixtures/check-trace.py)',
    async () => {
      const trace = join(folder, `${preference}-trace.safetensors`);
      const { loss, preference: curve } = await trainAdapter({ ...runs[preference], trace });
      const found = await openSafetensors(trace);
      const followed = await openSafetensors(
        join(import.meta.dirname, `../fixtures/refine-${preference}-trace.safetensors`),
      );
      expect(found.metadata).toEqual(followed.metadata);
      expect([...found.tensors.keys()].sort()).toEqual([...followed.tensors.keys()].sort());
      for (const [name, stored] of followed.tensors) {
        const tolerance = name.startsWith('factors.') || name.startsWith('margins.') ? 1e-3 : 1e-4;
        const [ours, theirs] = [await readTensor(found.tensors.get(name)!), await readTensor(stored)];
        expect(worstError(numbers(ours), numbers(theirs)), name).toBeLessThan(tolerance);
      }

      // A step without pairs, then one point for each of the three with them.
      expect(loss).toHaveLength(4);
      expect(curve.map(({ step }) => step)).toEqual([2, 3, 4]);
      // One of six sets is held out.
      for (const { accuracy, heldOut } of curve)
        for (const share of [accuracy, heldOut!.accuracy]) {
          expect(share).toBeGreaterThanOrEqual(0);
          expect(share).toBeLessThanOrEqual(1);
        }
    },
    LONG,
  );
});

it(
  'resumes after a kill to exactly the same file and curves',
  async () => {
    const whole = await trainAdapter({ ...runs.dpo, restart: true });
    const kill = new AbortController();
    const disturbed = { ...runs.dpo, out: join(folder, 'disturbed.safetensors'), checkpointEvery: 3 };
    await expect(
      trainAdapter(disturbed, {
        signal: kill.signal,
        onProgress: ({ step }) => step === 3 && kill.abort(new Error('killed')),
      }),
    ).rejects.toThrow('killed');

    const { refine } = disturbed;
    const less = { ...disturbed, resume: true, refine: { ...refine!, pairs: refine!.pairs.slice(1) } };
    await expect(trainAdapter(less)).rejects.toMatchObject({ code: 'RESUME_MISMATCH', message: /`refine`/ });

    // The same files elsewhere are the same run.
    const moved = join(folder, 'moved.safetensors');
    await cp(refine!.from, moved);
    const resumed = await trainAdapter({
      ...disturbed,
      resume: true,
      refine: { ...refine!, from: moved },
    });
    expect(await readFile(resumed.adapter)).toEqual(await readFile(whole.adapter));
    expect(resumed.loss).toEqual(whole.loss);
    expect(resumed.preference).toEqual(whole.preference);
  },
  LONG,
);

it('refuses to refine without pairs', async () => {
  const { refine } = runs.dpo;
  await expect(
    trainAdapter({ ...runs.dpo, restart: true, refine: { ...refine!, pairs: [] } }),
  ).rejects.toMatchObject({ code: 'PAIRS_MISSING' });
});

it('holds out a fifth of the sets, whole ones', async () => {
  const photos = await makePhotos(join(folder, 'sets'), 1);
  const [picture = ''] = photos;
  const pairs = Array.from({ length: 40 }, (_, n) => ({
    winner: picture,
    loser: picture,
    prompt: '',
    weight: 1,
    set: `set ${n % 10}`,
  }));
  const { training, heldOut } = splitPairs(pairs, 3);
  const [kept, held] = [training, heldOut].map((each) => new Set(each.map(({ set }) => set)));
  expect([training.length, heldOut.length, kept!.size, held!.size]).toEqual([32, 8, 8, 2]);
  expect(splitPairs(pairs, 4).heldOut).not.toEqual(heldOut);
  expect(splitPairs(pairs.slice(0, 4), 3).heldOut).toEqual([]);
});
