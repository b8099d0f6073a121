/** The score with CLIP and DINO, from tiny random networks: what it is 0 and 1 for, and that the folders are asked for. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { childEnvironment, scoreFolders } from '../../core/environment.ts';
import { readRgb } from '../../gpu-worker/models/vision/preprocess.ts';
import {
  alignmentOf,
  fidelityOf,
  likenessOf,
  ScoreNetworks,
} from '../../gpu-worker/training/score-networks.ts';

const VISION = join(import.meta.dirname, '../fixtures/vision');
const picture = (name: string) => readRgb(join(VISION, 'pictures', `${name}.png`));
const PROMPTS = ['a cat', 'a red cat'];

it('is 0 for the model’s own pictures and 1 for pictures as near as the photos are to each other', () => {
  const photos = [Float32Array.of(1, 0, 0), Float32Array.of(0.8, 0.6, 0)];
  const own = [Float32Array.of(0, 0, 1), Float32Array.of(0, 0, 1)];
  const likeness = likenessOf(photos, own);
  expect(likeness).toMatchObject({ own: 0, best: expect.closeTo(0.8, 6) as number });
  expect(fidelityOf(own, likeness)).toBe(0);
  expect(fidelityOf(photos, likeness)).toBe(1);
  expect(fidelityOf([Float32Array.of(0.5, 0, Math.sqrt(0.75))], likeness)).toBeCloseTo(0.45 / 0.8, 5);
  // A single photo has only itself.
  expect(likenessOf(photos.slice(0, 1), own).best).toBe(1);
  // Photos that differ as much as the class does.
  expect(fidelityOf(own, { photos: own, own: 0.9, best: 0.8 })).toBeCloseTo(1, 6);
});

it('measures alignment in parts of the model’s own pictures', () => {
  const prompts = [
    { text: Float32Array.of(1, 0), own: 0.8 },
    { text: Float32Array.of(0, 1), own: 0.5 },
  ];
  expect(alignmentOf([Float32Array.of(0.4, Math.sqrt(0.84)), Float32Array.of(0, 1)], prompts)).toBeCloseTo(
    0.75,
    5,
  );
  expect(alignmentOf([Float32Array.of(-1, 0), Float32Array.of(0, -1)], prompts)).toBe(0);
});

it('asks DINO for fidelity and CLIP for alignment, each where it is configured, and the built-in network elsewhere', async () => {
  const [wide, tall, small, fits] = [
    await picture('wide'),
    await picture('tall'),
    await picture('small'),
    await picture('fits'),
  ];
  const clip = join(VISION, 'clip-quick');
  const dino = join(VISION, 'dino');
  const scoreWith = async (folders: Parameters<typeof ScoreNetworks.open>[0]) => {
    const networks = await ScoreNetworks.open(folders);
    const references = await networks.references([wide, tall], [small, fits], PROMPTS);
    const copies = await networks.score([wide, tall], references);
    const own = await networks.score([small, fits], references);
    await networks.release();
    return { copies, own };
  };
  const both = await scoreWith({ clip, dino });
  const [withClip, withDino, none] = [
    await scoreWith({ clip }),
    await scoreWith({ dino }),
    await scoreWith({}),
  ];
  // Of random networks, the model's own pictures may be far from their prompts.
  expect(both.own.alignment).toBeGreaterThan(0);
  expect(both.copies.fidelity).toBe(withDino.copies.fidelity);
  expect(both.copies.alignment).toBe(withClip.copies.alignment);
  expect(withDino.copies.alignment).toBe(none.copies.alignment);
  expect(withClip.copies.fidelity).not.toBe(withDino.copies.fidelity);
  for (const { copies } of [both, withClip, withDino, none]) {
    const { fidelity, alignment, score } = copies;
    const sum = fidelity + alignment;
    expect(score).toBeCloseTo(sum > 0 ? (2 * fidelity * alignment) / sum : 0, 12);
  }
  await expect(ScoreNetworks.open({ clip, dino: clip })).rejects.toMatchObject({
    code: 'MODEL_ARCHITECTURE_UNSUPPORTED',
  });
});

it('reaches the engine: worker and engine get the folders', () => {
  const before = { ...process.env };
  process.env.KRONA_CLIP = '/models/clip';
  process.env.KRONA_DINO = '/models/dino';
  try {
    expect(scoreFolders()).toEqual({ clip: '/models/clip', dino: '/models/dino' });
    for (const program of ['worker', 'engine'] as const)
      expect(childEnvironment(program)).toMatchObject({
        KRONA_CLIP: '/models/clip',
        KRONA_DINO: '/models/dino',
      });
  } finally {
    process.env = before;
  }
});
