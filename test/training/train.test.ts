/** A run as its owner sees it: what another implementation recorded, the same again, and the same after a kill. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { flatLayers } from '../../gpu-worker/adapters/adapter.ts';
import { adapterBase } from '../../gpu-worker/adapters/files/adapter-base.ts';
import { readAdapter } from '../../gpu-worker/adapters/files/read-adapter.ts';
import { openModelFolder } from '../../gpu-worker/models/model-folder.ts';
import { openSafetensors, readTensor } from '../../gpu-worker/models/safetensors.ts';
import type { LossScale } from '../../gpu-worker/training/loss-scale.ts';
import { loadOptimizer, saveOptimizer } from '../../gpu-worker/training/optimizer-file.ts';
import { trainAdapter } from '../../gpu-worker/training/train.ts';
import type { TrainOptions, TrainResult } from '../../gpu-worker/training/train-options.ts';
import type { Method } from '../../core/settings/choices.ts';
import { TINY_MODEL, worstError } from '../helpers/fixtures.ts';
import { makePhotos, tinyRun } from '../helpers/tiny-run.ts';
import { someOf } from '../helpers/variations.ts';

/** Recorded by this engine and followed by torch autograd on diffusers' UNet (test/fixtures/check-trace.py). */
const traceOf = (method: string) => join(import.meta.dirname, `../fixtures/${method}-trace.safetensors`);

/** Two graphs of everything are compiled: patience on a busy machine, ms. */
const RESUMED = 600_000;

let folder: string;
let run: (name: string, method?: Method) => TrainOptions;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-train-'));
  const photos = await makePhotos(join(folder, 'photos'), 3);
  run = (name, method) => tinyRun(photos, join(folder, `${name}.safetensors`), method);
});
afterAll(() => rm(folder, { recursive: true }));

const whole = new Map<Method, Promise<TrainResult>>();
/** The undisturbed run of a method, with a trace where torch has one, trained for the first test that asks. */
function wholeRun(method: Method): Promise<TrainResult> {
  const trace = method === 'full' ? null : ownTrace(method);
  const result = whole.get(method) ?? trainAdapter({ ...run(`whole-${method}`, method), trace });
  whole.set(method, result);
  return result;
}
const ownTrace = (method: Method): string => join(folder, `${method}-trace.safetensors`);

const numbers = async (path: string): Promise<Map<string, Float64Array>> => {
  const file = await openSafetensors(path);
  const entries = [...file.tensors].map(async ([name, stored]) => {
    const data = await readTensor(stored);
    return [name, Float64Array.from(data as Iterable<number | bigint>, Number)] as const;
  });
  return new Map(await Promise.all(entries));
};

describe('training', () => {
  it.each([
    ['krona', 20],
    ['lora', 8],
  ] as const)(
    'computes the run of %s that torch reproduced: every batch, loss and factor',
    async (method, steps) => {
      const result = await wholeRun(method);
      const [found, expected] = [await numbers(ownTrace(method)), await numbers(traceOf(method))];
      expect([...found.keys()].sort()).toEqual([...expected.keys()].sort());
      const tolerance = (name: string) => (name.startsWith('factors.') ? 1e-3 : 1e-4);
      for (const [name, values] of expected) {
        expect(worstError(found.get(name)!, values), name).toBeLessThan(tolerance(name));
      }
      expect((await openSafetensors(ownTrace(method))).metadata).toEqual(
        (await openSafetensors(traceOf(method))).metadata,
      );
      expect(result.loss).toHaveLength(steps);
    },
  );

  it.each(
    someOf(
      [
        ['krona', 5, 12],
        ['full', 2, 3],
        ['lora', 2, 5],
      ] as const,
      2,
    ),
  )(
    'of %s resumes after a kill to exactly the same file',
    async (method, checkpointEvery, at) => {
      const kill = new AbortController();
      const disturbed = { ...run(`disturbed-${method}`, method), checkpointEvery };
      await expect(
        trainAdapter(disturbed, {
          signal: kill.signal,
          onProgress: ({ step }) => step === at && kill.abort(new Error('killed')),
        }),
      ).rejects.toThrow('killed');
      const resumed = await trainAdapter({ ...disturbed, resume: true });
      const undisturbed = await wholeRun(method);
      expect(await readFile(resumed.adapter)).toEqual(await readFile(undisturbed.adapter));
      expect(resumed.loss).toEqual(undisturbed.loss);
    },
    RESUMED,
  );

  it(
    'in 16 bits finds a loss scale without overflow, and resumes after a kill to exactly the same file',
    async () => {
      const half = (name: string) => ({ ...run(name), steps: 3, precision: 'float16' }) as const;
      const stateOf = ({ out }: TrainOptions) => out.replace('.safetensors', '.state.safetensors');
      const whole = await trainAdapter(half('half-whole'));
      const kill = new AbortController();
      await expect(
        trainAdapter(
          { ...half('half-killed'), checkpointEvery: 100 },
          {
            signal: kill.signal,
            onProgress: ({ step }) => step === 1 && kill.abort(new Error('killed')),
          },
        ),
      ).rejects.toThrow('killed');
      const { state, facts } = (await loadOptimizer(stateOf(half('half-killed'))))!;
      expect(state.step).toBe(1);
      const scale = JSON.parse(facts.get('loss_scale')!) as LossScale;
      expect(scale).toEqual({ scale: 2 ** 16, good: 1 });
      const resumed = await trainAdapter({ ...half('half-killed'), resume: true });
      expect(await readFile(resumed.adapter)).toEqual(await readFile(whole.adapter));
      expect(resumed.loss).toEqual(whole.loss);

      // Too large a scale: its steps are computed again at smaller ones, and the run is as if nothing had been.
      const huge = JSON.stringify({ scale: 2 ** 40, good: 1 } satisfies LossScale);
      const changed = { ...Object.fromEntries(facts), loss_scale: huge };
      await saveOptimizer(stateOf(half('half-huge')), state, changed);
      let micro = 0;
      const hooks = { turn: async () => void micro++ };
      const mended = await trainAdapter({ ...half('half-huge'), resume: true }, hooks);
      expect(mended.loss).toHaveLength(3);
      expect(worstError(mended.loss, whole.loss)).toBeLessThan(1e-2);
      expect(micro).toBeGreaterThan(2 * half('half-huge').accumulation);
    },
    RESUMED,
  );

  it('gives the same losses with recomputed activations', async () => {
    const plain = await wholeRun('krona');
    const saving = await trainAdapter({ ...run('saving'), steps: 4, checkpointing: true });
    expect(worstError(saving.loss, plain.loss.slice(0, 4))).toBeLessThan(1e-4);
  });

  it('of text encoders writes a file that sampling reads, and refuses a trace', async () => {
    const options = { ...run('text'), targets: ['attention', 'text-encoders'], steps: 3, warmup: 0 } as const;
    const { adapter, parameters } = await trainAdapter(options);
    const { layers } = await readAdapter(adapter, adapterBase(await openModelFolder(TINY_MODEL)));
    const texts = [...layers].filter(([path]) => path.startsWith('text_encoder'));
    expect([layers.size, texts.length]).toEqual([108, 20]);
    expect(flatLayers(layers)).toHaveLength(parameters);
    const learnt = texts.filter(([, { numbers }]) => numbers[1]!.some((value) => value !== 0));
    // All but the first encoder's last layer, which SDXL does not hear.
    expect(learnt).toHaveLength(16);
    const traced = { ...options, trace: join(folder, 'never.safetensors') };
    await expect(trainAdapter(traced)).rejects.toMatchObject({ code: 'TRACE_UNSUPPORTED' });
  });

  it('does not continue a run with other settings', async () => {
    const first = { ...run('other'), checkpointEvery: 5 };
    const stop = new AbortController();
    const hooks = {
      signal: stop.signal,
      onProgress: ({ step }: { step: number }) => step === 7 && stop.abort(new Error('stop')),
    };
    await expect(trainAdapter(first, hooks)).rejects.toThrow('stop');
    await expect(trainAdapter({ ...first, lr: 1e-3, resume: true })).rejects.toMatchObject({
      code: 'RESUME_MISMATCH',
    });
  });

  it('says which factor does not divide which projection', async () => {
    await expect(trainAdapter({ ...run('bad'), a1: 7 })).rejects.toMatchObject({
      code: 'FACTORS_UNFIT',
      message: expect.stringMatching(/a1=7 does not divide \d+ \(.*to_q\)/) as string,
    });
  });
});
