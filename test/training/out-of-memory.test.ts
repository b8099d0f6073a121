/** A training on a small device: once more with less of attention at a time, else a refusal with numbers. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { currentDialect, useDevice } from '../../gpu-worker/graph/device.ts';
import { DIALECTS } from '../../gpu-worker/graph/dialect.ts';
import { outOfMemory } from '../../gpu-worker/graph/out-of-memory.ts';
import { OVERHEAD } from '../../gpu-worker/graph/room.ts';
import { Session } from '../../gpu-worker/graph/runtime.ts';
import { trainAdapter } from '../../gpu-worker/training/train.ts';
import type { TrainResult } from '../../gpu-worker/training/train-options.ts';
import { makePhotos, tinyRun } from '../helpers/tiny-run.ts';

const LARGE_PARTS = { ...DIALECTS.cpu, attentionPart: 2 ** 26 };

let folder: string;
let photos: string[];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-memory-'));
  photos = await makePhotos(folder, 1);
});
afterAll(() => rm(folder, { recursive: true }));
afterEach(() => {
  vi.restoreAllMocks();
  useDevice('cpu');
});

const train = (name: string): Promise<TrainResult> =>
  trainAdapter({ ...tinyRun(photos, join(folder, `${name}.safetensors`)), steps: 2 });

/** The first `times` training programs are out of memory when they open. */
function failing(times: number): void {
  let left = times;
  const create = Session.create.bind(Session);
  vi.spyOn(Session, 'create').mockImplementation(
    async (program: Parameters<typeof create>[0], options?: object) => {
      const trains = program.inputs.some(({ name }) => name === 'clean_latents');
      if (trains && left-- > 0) throw outOfMemory('CUDA failure 2: out of memory', null)!;
      return create(program, options);
    },
  );
}

it('trains with smaller parts of attention, to the same losses', async () => {
  useDevice('cpu', LARGE_PARTS);
  const { loss: expected } = await train('whole');
  failing(1);
  const { loss } = await train('parts');
  expect(currentDialect().attentionPart).toBeLessThan(LARGE_PARTS.attentionPart);
  for (const [i, value] of loss.entries()) expect(value).toBeCloseTo(expected[i]!, 4);
});

it('fails if that does not help', async () => {
  useDevice('cpu', LARGE_PARTS);
  failing(2);
  await expect(train('failed')).rejects.toMatchObject({ code: 'OUT_OF_MEMORY' });
});

it('is refused with the numbers where it can not fit', async () => {
  useDevice('cpu', DIALECTS.cpu, OVERHEAD + 2 ** 20);
  await expect(train('refused')).rejects.toMatchObject({
    code: 'DEVICE_TOO_SMALL',
    message: expect.stringMatching(
      /^Training at 32×32 takes about \d\.\d GiB on the card, which has 1\.5 GiB free\./,
    ) as string,
  });
});
