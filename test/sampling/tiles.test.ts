/** Pictures through the VAE in tiles: the numbers of diffusers' AutoencoderKL.enable_tiling, and when it is done. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { ModelFolder } from '../../gpu-worker/models/model-folder.ts';
import { TextToImage } from '../../gpu-worker/sampling/text-to-image.ts';
import { needsTiles, openTiledDecoder, openTiledEncoder } from '../../gpu-worker/sampling/tiles.ts';
import { readFixture, worstError } from '../helpers/fixtures.ts';
import { openTiny } from '../helpers/sd-fixtures.ts';

const { tensor } = await readFixture('tiles', 'sampling');
const [WIDTH, HEIGHT] = [88, 72];

let model: ModelFolder;
beforeAll(async () => {
  model = await openTiny('sd15', 'folder');
});

describe('tiles of 32 pixels over a picture that is not a multiple of them', () => {
  it('decode as in diffusers', async () => {
    const decoder = openTiledDecoder(model, WIDTH, HEIGHT);
    const { scaling_factor: factor } = model.vae.config;
    const picture = await decoder.decode(tensor('latents').data.map((x) => x * factor));
    await decoder.release();
    expect(worstError(picture, tensor('decoded').data)).toBeLessThan(1e-4);
  });

  it('encode as in diffusers', async () => {
    const encoder = openTiledEncoder(model, WIDTH, HEIGHT);
    const { mean, deviation } = await encoder.encode(tensor('pixels').data);
    await encoder.release();
    expect(worstError(mean, tensor('mean').data)).toBeLessThan(1e-4);
    expect(worstError(deviation, tensor('deviation').data)).toBeLessThan(1e-4);
  });
});

it('large pictures are tiled automatically, others on request, and none that fits into a tile', () => {
  const sdxl = { ...model, vae: { ...model.vae, config: { ...model.vae.config, sample_size: 1024 } } };
  expect([1024, 1344, 1536, 2048].map((side) => needsTiles(sdxl, side, side, null))).toEqual([
    false,
    false,
    true,
    true,
  ]);
  expect(needsTiles(sdxl, 1536, 1536, false)).toBe(false);
  expect(needsTiles(sdxl, 1152, 896, true)).toBe(true);
  expect(needsTiles(sdxl, 1024, 1024, true)).toBe(false);
});

it('a request can ask for tiles', async () => {
  const engine = await TextToImage.open(model);
  const request = {
    prompt: 'a cat',
    negative: null,
    adapter: null,
    steps: 1,
    guidance: 1,
    scheduler: 'ddim',
    width: 64,
    height: 48,
    seed: 1,
    count: 1,
    noise: 'torch',
  } as const;
  const [whole] = await engine.draw(request);
  const [tiled] = await engine.draw({ ...request, tiled: true });
  await engine.release();
  expect(tiled!.pixels).toHaveLength(whole!.pixels.length);
  expect(Buffer.from(tiled!.pixels).equals(Buffer.from(whole!.pixels))).toBe(false);
});
