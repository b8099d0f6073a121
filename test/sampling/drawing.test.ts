/** Runs with weighted prompts and with masks equal those of diffusers' pipelines. */
import { afterAll, describe, expect, it } from 'vitest';
import { repeated } from '../../core/concatenated.ts';
import { latentMask } from '../../gpu-worker/sampling/kept-latents.ts';
import { createNoise } from '../../gpu-worker/sampling/noise.ts';
import { TextToImage, type DrawRequest } from '../../gpu-worker/sampling/text-to-image.ts';
import type { SchedulerName } from '../../core/settings/choices.ts';
import { readFixture } from '../helpers/fixtures.ts';
import { openTiny, type TinyName } from '../helpers/sd-fixtures.ts';

interface Case {
  readonly name: string;
  readonly model: TinyName;
  readonly scheduler: SchedulerName;
  readonly config: Readonly<Record<string, unknown>>;
  readonly seed: number;
  readonly prompt: string;
  readonly negative_prompt: string;
  readonly num_images_per_prompt: number;
  readonly num_inference_steps: number;
  readonly guidance_scale: number;
  readonly strength?: number;
}

const { tensor, facts } = await readFixture<{ cases: readonly Case[] }>('runs', 'drawing');
const starting = (what: string) => facts.cases.filter(({ name }) => name.startsWith(what));
const SIDE = 32;

const opened = new Map<TinyName, Promise<TextToImage>>();
async function engineOf({ model, config }: Case): Promise<TextToImage> {
  const known = opened.get(model) ?? openTiny(model, 'folder').then((folder) => TextToImage.open(folder));
  opened.set(model, known);
  const engine = await known;
  Object.assign(engine.model, { scheduler: config });
  return engine;
}
afterAll(async () => {
  for (const engine of opened.values()) await (await engine).release();
});

const requestOf = (each: Case): DrawRequest => ({
  prompt: each.prompt,
  negative: each.negative_prompt,
  adapter: null,
  steps: each.num_inference_steps,
  guidance: each.guidance_scale,
  scheduler: each.scheduler,
  width: SIDE,
  height: SIDE,
  seed: each.seed,
  count: each.num_images_per_prompt,
  noise: 'torch',
});

/** Mean difference to diffusers' pictures [N,H,W,3], in grey levels of 255. */
function difference(name: string, pictures: readonly { readonly pixels: Uint8Array }[]): number {
  const expected = tensor(`${name}.image`).data;
  const drawn = pictures.flatMap(({ pixels }) => [...pixels]);
  expect(drawn).toHaveLength(expected.length);
  return drawn.reduce((sum, value, i) => sum + Math.abs(value - (expected[i] ?? NaN)), 0) / drawn.length;
}

describe('weights in a prompt', () => {
  it.each(starting('weighted-'))('$name', async (each) => {
    const engine = await engineOf(each);
    expect(difference(each.name, await engine.draw(requestOf(each)))).toBeLessThan(0.5);
    const plain = { ...requestOf(each), prompt: 'a photo of a cat, snow' };
    expect(difference(each.name, await engine.draw(plain))).toBeGreaterThan(1);
  });
});

describe('a part of a picture', () => {
  it.each(starting('masked-'))('$name', async (each) => {
    const engine = await engineOf(each);
    const noise = createNoise('torch', each.seed);
    const pixels = Uint8Array.from(tensor('picture').data);
    const mask = Uint8Array.from(tensor('mask').data);
    const how = { mask, strength: each.strength ?? 1 };
    const begun = await engine.startFrom({ width: SIDE, height: SIDE, pixels }, how, noise);
    const start = { ...begun, latents: repeated(begun.latents, each.num_images_per_prompt) };
    expect(difference(each.name, await engine.draw({ ...requestOf(each), start }, {}, noise))).toBeLessThan(
      0.5,
    );
  });

  it('a pixel in the corner of each square of latents decides', () => {
    const mask = Uint8Array.from(tensor('mask').data);
    expect([...latentMask(mask, SIDE, SIDE, 8)]).toEqual([1, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1]);
  });
});
