/** Photos whose subject is cut out and put on plain grounds that the prompt names. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { at } from '../../core/at.ts';
import { toBytes } from '../../core/pictures/rgb-bytes.ts';
import { GROUNDS } from '../../core/pictures/grounds.ts';
import { groundPrompt, groundViews } from '../../gpu-worker/training/ground-views.ts';
import { cachePhotos } from '../../gpu-worker/training/photo-cache.ts';
import { openTiny } from '../helpers/sd-fixtures.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-grounds-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** A magenta disc with a dark centre, off centre, on what is given as SVG. */
async function photo(name: string, around: string): Promise<string> {
  const disc = '<circle cx="50" cy="60" r="20" fill="#f0f"/><circle cx="50" cy="60" r="6" fill="#202"/>';
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="120" height="90">${around}${disc}</svg>`;
  const path = join(folder, name);
  await sharp(Buffer.from(svg)).png().toFile(path);
  return path;
}
const plain = (colour: string) => `<rect width="120" height="90" fill="${colour}"/>`;
const stripes = '<rect width="120" height="90" fill="#fff"/>'.concat(
  ...Array.from({ length: 12 }, (_, i) => `<rect x="${10 * i}" width="5" height="90" fill="#${i % 8}a0"/>`),
);

const SIZE = { width: 64, height: 48 };

/** Share of the pixels near a colour. */
function share(pixels: Uint8Array, colour: readonly number[]): number {
  let near = 0;
  for (let i = 0; i < pixels.length; i += 3)
    if (colour.every((value, c) => Math.abs(at(pixels, i + c) - value) < 30)) near++;
  return near / (pixels.length / 3);
}

it('shows the whole subject on the named ground, elsewhere each time, and the same for the same seed', async () => {
  const path = await photo('green.png', plain('#289640'));
  const make = (seed: number) => groundViews(path, SIZE, { count: 12, seed }, 0);
  const { own, views } = await make(3);
  expect(own).toBe('green');
  expect(views).toHaveLength(12);
  for (const { pixels, ground } of views) {
    const bytes = toBytes(pixels);
    const { rgb } = GROUNDS.find(({ name }) => name === ground)!;
    expect(bytes).toHaveLength(3 * 64 * 48);
    // A disc of 0.66 to 0.94 of 48 pixels: 26 to 52% of the picture, less its dark centre, soft edge and room to turn.
    expect(share(bytes, [255, 0, 255])).toBeGreaterThan(0.15);
    expect(share(bytes, [255, 0, 255])).toBeLessThan(0.5);
    expect(share(bytes, rgb)).toBeGreaterThan(0.4);
    // Nothing of the photo's own ground is left around it.
    if (!['green', 'teal', 'lime'].includes(ground)) expect(share(bytes, [40, 150, 64])).toBe(0);
  }
  expect(new Set(views.map(({ ground }) => ground)).size).toBeGreaterThan(4);
  expect(await make(3)).toEqual({ own, views });
  expect((await make(4)).views).not.toEqual(views);
});

it('takes transparency as the cut, and leaves a photo alone whose subject it cannot cut out', async () => {
  const clear = await groundViews(await photo('clear.png', ''), SIZE, { count: 2, seed: 1 }, 0);
  expect([clear.own, clear.views.length]).toEqual([null, 2]);
  const busy = await groundViews(await photo('busy.png', stripes), SIZE, { count: 2, seed: 1 }, 0);
  expect(busy).toEqual({ own: null, views: [] });
});

it('names the ground in the prompt of every view, but not in captions, which say themselves where it is', async () => {
  expect(groundPrompt('a sks cat', 'orange')).toBe('a sks cat on an orange background');
  const model = await openTiny('sdxl', 'folder');
  const path = await photo('white.png', plain('#fff'));
  const sources = [
    { path, prompt: 'a sks cat', bare: true, mask: null },
    { path, prompt: 'a sks cat in the snow', mask: null },
  ];
  const sizes = sources.map(() => ({ width: 32, height: 32 }));
  const cache = (grounds: number) =>
    cachePhotos(model, sources, sizes, { seed: 1, resolution: 32, grounds }, () => {});
  const [bare, captioned] = await cache(3);
  const prompts = bare!.views.map(({ prompt }) => prompt);
  expect(prompts).toHaveLength(4);
  expect(prompts[0]).toBe('a sks cat on a white background');
  for (const prompt of prompts) expect(prompt).toMatch(/^a sks cat on an? [a-z]+ background$/);
  expect(captioned!.views.map(({ prompt }) => prompt)).toEqual(['a sks cat in the snow']);
  const [alone] = await cache(0);
  expect(alone!.views.map(({ prompt }) => prompt)).toEqual(['a sks cat']);
  expect(alone!.views[0]!.mean).toEqual(bare!.views[0]!.mean);
});
