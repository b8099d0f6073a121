/** UNets of 9 channels draw what diffusers' inpainting pipelines draw with them: parts of pictures, and whole ones. */
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { repeated } from '../../core/concatenated.ts';
import type { SchedulerName } from '../../core/settings/choices.ts';
import { inspectModel } from '../../gpu-worker/models/model-check.ts';
import { openSingleFile } from '../../gpu-worker/models/single-file/open-single-file.ts';
import { createNoise } from '../../gpu-worker/sampling/noise.ts';
import { TextToImage, type DrawRequest } from '../../gpu-worker/sampling/text-to-image.ts';
import { trainAdapter } from '../../gpu-worker/training/train.ts';
import { krona } from '../cli/run-krona.ts';
import { readFixture, TINY_MODEL, worstError } from '../helpers/fixtures.ts';
import { writeInpainting, writeInpaintingFile, type InpaintingName } from '../helpers/inpainting.ts';
import { TINY_SINGLE_FILES } from '../helpers/sd-fixtures.ts';
import { makePhotos, tinyRun } from '../helpers/tiny-run.ts';

interface Case {
  readonly name: string;
  readonly model: InpaintingName;
  readonly scheduler: SchedulerName;
  readonly config: Readonly<Record<string, unknown>>;
  readonly seed: number;
  readonly prompt: string;
  readonly negative_prompt: string;
  readonly num_images_per_prompt: number;
  readonly num_inference_steps: number;
  readonly guidance_scale: number;
  readonly strength: number;
}

const MODELS = ['sd15', 'sdxl'] as const;
const SIDE = 32;
const { tensor, facts } = await readFixture<{ cases: readonly Case[] }>('runs', 'inpainting');
const starting = (what: string) => facts.cases.filter(({ name }) => name.startsWith(what));
const picture = { width: SIDE, height: SIDE, pixels: Uint8Array.from(tensor('picture').data) };
const mask = Uint8Array.from(tensor('mask').data);

let root: string;
const engines = new Map<InpaintingName, TextToImage>();
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'krona-inpainting-'));
  await cp(join(TINY_MODEL, 'tokenizer'), join(root, 'tokenizer'), { recursive: true });
  for (const name of MODELS) {
    engines.set(name, await TextToImage.open(await writeInpainting(name, join(root, name))));
    await writeInpaintingFile(name, join(root, `${name}.safetensors`));
  }
});
afterAll(async () => {
  for (const engine of engines.values()) await engine.release();
  await rm(root, { recursive: true });
});

function engineOf({ model, config }: Case): TextToImage {
  const engine = engines.get(model)!;
  Object.assign(engine.model, { scheduler: config });
  return engine;
}

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

/** The latents of a run that begins with the picture, as largest difference from diffusers' to the largest of them. */
async function errorOf(each: Case, part: Uint8Array | null): Promise<number> {
  const engine = engineOf(each);
  const noise = createNoise('torch', each.seed);
  const begun = await engine.startFrom(picture, { strength: each.strength, mask: part }, noise);
  const start = { ...begun, latents: repeated(begun.latents, each.num_images_per_prompt) };
  const latents = await engine.denoise({ ...requestOf(each), start }, {}, noise);
  return worstError(latents, tensor(`${each.name}.latents`).data);
}

describe('a part of a picture', () => {
  it.each(starting('part-'))('$name', async (each) => {
    expect(await errorOf(each, mask)).toBeLessThan(1e-4);
  });
});

// Norms enlarge the rounding of a flat grey picture.
describe('without a mask, all of the picture is drawn, as with a white mask', () => {
  it.each(starting('all-'))('$name', async (each) => {
    expect(await errorOf(each, null)).toBeLessThan(5e-4);
  });

  it.each(starting('all-').filter(({ strength }) => strength === 1))(
    '$name from noise alone',
    async (each) => {
      const latents = await engineOf(each).denoise(requestOf(each));
      expect(worstError(latents, tensor(`${each.name}.latents`).data)).toBeLessThan(5e-4);
    },
  );
});

describe.each(MODELS)('%s', (name) => {
  it('is complete as a folder and as a single file, which hold the same', async () => {
    const single = await openSingleFile(join(root, `${name}.safetensors`), TINY_SINGLE_FILES);
    expect(await inspectModel(join(root, name))).toMatchObject({ ok: true, problems: [] });
    expect((await inspectModel(single.path, () => Promise.resolve(single))).problems).toEqual([]);
    expect(single.unet.config.in_channels).toBe(9);
    expect([...single.unet.tensors.keys()].sort()).toEqual(
      [...engines.get(name)!.model.unet.tensors.keys()].sort(),
    );
  });
});

it('pictures can steer it, and what is kept of the picture changes what it draws', async () => {
  const [each] = starting('part-sd15-ddim');
  const engine = engineOf(each!);
  const draw = async (pixels: Uint8Array, steered: boolean) => {
    const start = await engine.startFrom({ ...picture, pixels }, { strength: 1, mask });
    const liked = [await engine.latentsOf(picture)];
    const steer = steered && { steer: { liked, disliked: [], weight: 1, until: 0.5 } };
    return engine.denoise({ ...requestOf(each!), noise: 'krona', start, ...steer });
  };
  const plain = await draw(picture.pixels, false);
  expect(worstError(await draw(picture.pixels, true), plain)).toBeGreaterThan(0.001);
  expect(worstError(await draw(picture.pixels.toReversed(), false), plain)).toBeGreaterThan(0.001);
});

it('`krona imagine --image --mask` draws the part as diffusers does, and leaves the rest', async () => {
  const [each] = starting('part-sd15-ddim-1.0');
  const raw = (data: Uint8Array, channels: 1 | 3) =>
    sharp(data, { raw: { width: SIDE, height: SIDE, channels } });
  const [image, part] = [join(root, 'picture.png'), join(root, 'mask.png')];
  await raw(picture.pixels, 3).png().toFile(image);
  await raw(mask, 1).toColourspace('b-w').png().toFile(part);
  const words = `imagine --model ${join(root, 'sd15')} --image ${image} --mask ${part} --scheduler ddim --noise torch`;
  const sizes = `--seed ${each!.seed} --steps 5 --guidance 4 --width ${SIDE} --height ${SIDE} --json`;
  const asked = ['--prompt', each!.prompt, '--negative', each!.negative_prompt, '--out', root];
  const { code, stdout, stderr } = await krona(...`${words} ${sizes}`.split(' '), ...asked);
  expect(code, stderr).toBe(0);
  const { images } = JSON.parse(stdout) as { images: string[] };
  const drawn = await sharp(images[0]).raw().toBuffer();
  const wanted = tensor(`${each!.name}.image`).data;
  const worst = (inside: boolean, other: ArrayLike<number>) =>
    drawn.reduce((most, value, i) => {
      const counts = mask[Math.floor(i / 3)]! >= 128 === inside;
      return counts ? Math.max(most, Math.abs(value - other[i]!)) : most;
    }, 0);
  expect(worst(true, wanted)).toBeLessThanOrEqual(1);
  // The corner farthest from the mask.
  expect([...drawn.subarray(-3 * SIDE, -3 * SIDE + 6)]).toEqual([
    ...picture.pixels.subarray(-3 * SIDE, -3 * SIDE + 6),
  ]);
});

it('is not trained, and says what to train on', async () => {
  const photos = await makePhotos(join(root, 'photos'), 1);
  const run = trainAdapter({ ...tinyRun(photos, join(root, 'a.safetensors')), model: join(root, 'sd15') });
  await expect(run).rejects.toMatchObject({
    code: 'MODEL_INPAINTING',
    message: expect.stringMatching(
      /^sd15 is a model for inpainting.*Train on the model that it was made from/,
    ) as string,
  });
});
