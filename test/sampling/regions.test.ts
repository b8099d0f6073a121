/** Two adapters, each in its own region: there, the picture is what that adapter alone draws. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Place } from '../../core/prompts/split.ts';
import type { AppliedAdapter } from '../../gpu-worker/adapters/adapter-inputs.ts';
import { createNoise } from '../../gpu-worker/sampling/noise.ts';
import { backOf, inView } from '../../gpu-worker/sampling/regions.ts';
import { TextToImage, type DrawRequest } from '../../gpu-worker/sampling/text-to-image.ts';
import { worstError } from '../helpers/fixtures.ts';
import { writeLora } from '../helpers/lora-file.ts';
import { tinyFolder } from '../helpers/sd-fixtures.ts';

const LEFT = { left: 0, top: 0, right: 0.5, bottom: 1 };
const RIGHT = { left: 0.5, top: 0, right: 1, bottom: 1 };
const SIZE = { height: 4, width: 8 };
let folder: string;
let engine: TextToImage;
let first: AppliedAdapter;
let second: AppliedAdapter;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-regions-'));
  engine = await TextToImage.open(tinyFolder('sd15'));
  first = await engine.readAdapter(await writeLora('sd15', join(folder, 'one.safetensors')));
  second = await engine.readAdapter(await writeLora('sd15', join(folder, 'two.safetensors')));
});
afterAll(async () => {
  await engine.release();
  await rm(folder, { recursive: true });
});

/** One step, so that neither region has changed the other. */
const request: DrawRequest = {
  prompt: 'a cat and a dog',
  negative: null,
  adapter: null,
  steps: 1,
  guidance: 4,
  scheduler: 'ddim',
  width: 64,
  height: 32,
  seed: 5,
  count: 2,
  noise: 'krona',
};
const drawn = (adapter: readonly AppliedAdapter[], more: Partial<DrawRequest> = {}) =>
  engine.denoise({ ...request, ...more, adapter });
const placed = (adapter: AppliedAdapter, place: Place): AppliedAdapter => ({ ...adapter, place });
/** The latents in the left or the right half. */
const half = (latents: Float32Array, right: boolean) =>
  latents.filter((_, i) => i % SIZE.width >= SIZE.width / 2 === right);

it('each half is what its own adapter draws; without places, the changes add up', async () => {
  const both = await drawn([placed(first, { region: LEFT }), placed(second, { region: RIGHT })]);
  const [one, two] = [await drawn([first]), await drawn([second])];
  expect(worstError(half(both, false), half(one, false))).toBeLessThan(1e-6);
  expect(worstError(half(both, true), half(two, true))).toBeLessThan(1e-6);
  expect(worstError(one, two)).toBeGreaterThan(0.01);
  expect(worstError(await drawn([first, second]), both)).toBeGreaterThan(0.01);
});

it('an adapter without a place acts in all regions', async () => {
  const both = await drawn([placed(first, { region: LEFT }), second]);
  expect(worstError(both, await drawn([first, second]))).toBeLessThan(1e-6);
});

it('the second subject is drawn as the first of its own prompt, where that stands', async () => {
  const own = { prompt: 'a dog and a cat', region: LEFT };
  const both = await drawn([
    placed(first, { region: LEFT, first: { prompt: request.prompt, region: LEFT } }),
    placed(second, { region: RIGHT, first: own }),
  ]);
  const view = { rows: 0, columns: SIZE.width / 2 };
  const source = createNoise('krona', request.seed);
  const rolled = { draw: (n: number, each: number) => inView(source.draw(n, each), view, SIZE) };
  const seen = await engine.denoise({ ...request, prompt: own.prompt, adapter: second }, {}, rolled);
  expect(worstError(half(both, true), half(inView(seen, backOf(view), SIZE), true))).toBeLessThan(1e-6);
  expect(worstError(half(both, true), half(await drawn([second]), true))).toBeGreaterThan(0.01);
});

it('a view leads back to where it came from', () => {
  const planes = Float32Array.from({ length: 3 * 4 * 8 }, (_, i) => i);
  for (const view of [
    { rows: 2, columns: 0 },
    { rows: -1, columns: 3 },
  ])
    expect(inView(inView(planes, view, SIZE), backOf(view), SIZE)).toEqual(planes);
  expect([...inView(planes, { rows: 0, columns: 4 }, SIZE).subarray(0, 8)]).toEqual([4, 5, 6, 7, 0, 1, 2, 3]);
});
