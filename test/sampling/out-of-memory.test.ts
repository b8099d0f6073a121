/** Small devices: what fits is drawn in parts, what does not is refused with numbers, and a run out of memory is tried again. */
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { useDevice } from '../../gpu-worker/graph/device.ts';
import { DIALECTS } from '../../gpu-worker/graph/dialect.ts';
import { outOfMemory } from '../../gpu-worker/graph/out-of-memory.ts';
import { relativeError } from '../../gpu-worker/graph/relative-error.ts';
import { OVERHEAD } from '../../gpu-worker/graph/room.ts';
import { Session } from '../../gpu-worker/graph/runtime.ts';
import { openModel } from '../../gpu-worker/models/open-model.ts';
import type { ModelFolder } from '../../gpu-worker/models/model-folder.ts';
import { createNoise, noiseOfSeeds } from '../../gpu-worker/sampling/noise.ts';
import { TextToImage, type DrawnPicture, type DrawRequest } from '../../gpu-worker/sampling/text-to-image.ts';
import { TINY_MODEL } from '../helpers/fixtures.ts';

const MIB = 2 ** 20;
const REQUEST: DrawRequest = {
  prompt: 'a cat',
  negative: null,
  adapter: null,
  steps: 2,
  guidance: 5,
  scheduler: 'euler_a',
  width: 64,
  height: 64,
  seed: 1,
  count: 1,
  noise: 'krona',
};
const SEEDS = [7, 8, 9, 10];

let model: ModelFolder;
beforeAll(async () => {
  model = await openModel(TINY_MODEL);
});
afterEach(() => {
  vi.restoreAllMocks();
  useDevice('cpu');
});

/** The CPU, with as much memory as a card. */
const useCard = (mebibytes: number): void => useDevice('cpu', DIALECTS.cpu, OVERHEAD + mebibytes * MIB);

async function painting<T>(work: (painter: TextToImage) => Promise<T>): Promise<T> {
  const painter = await TextToImage.open(model);
  try {
    return await work(painter);
  } finally {
    await painter.release();
  }
}

/** Largest difference between two sets of pictures, of 255. */
const apart = (a: readonly DrawnPicture[], b: readonly DrawnPicture[]): number =>
  Math.max(...a.map(({ pixels }, i) => Math.max(...pixels.map((x, j) => Math.abs(x - b[i]!.pixels[j]!)))));

const together = (painter: TextToImage): Promise<DrawnPicture[]> =>
  painter.draw({ ...REQUEST, count: SEEDS.length }, {}, noiseOfSeeds(SEEDS));

const oneByOne = (painter: TextToImage): Promise<DrawnPicture[]> =>
  SEEDS.reduce<Promise<DrawnPicture[]>>(
    async (before, seed) => [...(await before), ...(await painter.draw({ ...REQUEST, seed }))],
    Promise.resolve([]),
  );

/** Runs and openings that fail as onnxruntime fails, while `fails` says so. */
function failing(fails: (inputs: number) => boolean): { failures: number } {
  const seen = { failures: 0 };
  const create = Session.create.bind(Session);
  vi.spyOn(Session, 'create').mockImplementation(
    async (program: Parameters<typeof create>[0], options?: object) => {
      const rows =
        program.inputs.find(({ name }) => name === 'latents')?.shape.reduce((n, side) => n * side, 1) ?? 0;
      if (fails(rows)) {
        seen.failures++;
        throw outOfMemory(
          'bfc_arena.cc:359 Failed to allocate memory for requested buffer of size 3221225472',
          null,
        )!;
      }
      return create(program, options);
    },
  );
  return seen;
}

describe('pictures drawn together', () => {
  it('are those drawn one by one', async () => {
    const { found, expected } = await painting(async (painter) => ({
      found: await together(painter),
      expected: await oneByOne(painter),
    }));
    expect(apart(found, expected)).toBeLessThanOrEqual(1);
    expect(apart([found[0]!], [found[1]!])).toBeGreaterThan(30);
  });

  it('are as many as the card has memory for, and one by one where it is not known', async () => {
    const counts = await painting(async (painter) => {
      const asked = { ...REQUEST, count: 4 };
      const unknown = await painter.picturesAtOnce(asked);
      useCard(500);
      return [unknown, await painter.picturesAtOnce(asked)];
    });
    expect(counts).toEqual([1, 4]);
  });

  it('take several runs where memory is short, to the same latents', async () => {
    const latents = (): Promise<Float32Array> =>
      painting((painter) => painter.denoise({ ...REQUEST, count: SEEDS.length }, {}, noiseOfSeeds(SEEDS)));
    const expected = await latents();
    const atOnce = (mebibytes: number): Promise<number> => {
      useCard(mebibytes);
      return painting((painter) => painter.picturesAtOnce({ ...REQUEST, count: SEEDS.length }));
    };
    // Too little for all pictures of the set.
    let mebibytes = 60;
    while ((await atOnce(mebibytes)) > 1) mebibytes *= 0.9;
    expect(relativeError(await latents(), expected)).toBeLessThan(1e-4);
  });
});

it('a card that is too small is told with numbers, before the model is loaded', async () => {
  useCard(1);
  const opened = vi.spyOn(Session, 'create');
  await painting(async (painter) => {
    const before = opened.mock.calls.length;
    await expect(painter.draw({ ...REQUEST, width: 256, height: 256 })).rejects.toMatchObject({
      code: 'DEVICE_TOO_SMALL',
      message: expect.stringMatching(
        /^Drawing at 256×256 takes about \d\.\d GiB on the card, which has 1\.5 GiB free\./,
      ) as string,
    });
    // Only its text was encoded.
    expect(opened.mock.calls.length - before).toBeLessThanOrEqual(2);
  });
});

describe('a run that is out of memory', () => {
  it('is tried again with fewer rows', async () => {
    const whole = await painting(together);
    const seen = failing((values) => values > 2 * 4 * 8 * 8);
    const parts = await painting(together);
    expect(seen.failures).toBeGreaterThan(0);
    expect(apart(parts, whole)).toBeLessThanOrEqual(1);
  });

  it('is tried again in smaller tiles', async () => {
    const latents = createNoise('krona', 1).draw(1, 4 * 16 * 16);
    const size = { ...REQUEST, width: 128, height: 128, start: { latents, strength: 0.1 } };
    const whole = await painting((painter) => painter.draw(size));
    // The VAE reads one row; the UNet reads two.
    const seen = failing((values) => values === 4 * 16 * 16);
    const tiled = await painting((painter) => painter.draw(size));
    expect(seen.failures).toBe(1);
    expect(tiled[0]!.pixels).toHaveLength(whole[0]!.pixels.length);
    expect(apart(tiled, whole)).toBeGreaterThan(0);
  });

  it('fails in the end, with what was needed, and the next request is drawn', async () => {
    await painting(async (painter) => {
      failing(() => true);
      await expect(painter.draw(REQUEST)).rejects.toMatchObject({
        code: 'OUT_OF_MEMORY',
        message: expect.stringContaining('3.0 GiB more were needed') as string,
      });
      vi.restoreAllMocks();
      expect(await painter.draw(REQUEST)).toHaveLength(1);
    });
  });
});

it.each([
  ['onnxruntime', 'Failed to allocate memory for requested buffer of size 16777216'],
  ['CUDA', 'CUDA failure 2: out of memory ; GPU=0 ; hostname=x'],
  ['cuBLAS', 'CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED'],
  ['cuDNN', 'CUDNN_STATUS_ALLOC_FAILED'],
  ['WebGPU', 'Failed to allocate memory: Out of memory'],
  ['Vulkan', 'vkAllocateMemory failed with VK_ERROR_OUT_OF_DEVICE_MEMORY'],
])('the words of %s are known', (_, words) => {
  expect(outOfMemory(words, null)).toMatchObject({ code: 'OUT_OF_MEMORY' });
  expect(outOfMemory('Non-zero status code returned while running Conv', null)).toBeNull();
});
