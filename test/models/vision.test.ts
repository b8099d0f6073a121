/** CLIP's and DINO's towers give transformers' numbers, from its own folders (fixtures: test/fixtures/make-vision.py). */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { at } from '../../core/at.ts';
import { openSafetensors, readFloats } from '../../gpu-worker/models/safetensors.ts';
import { openClip, openDino, openTowerFolder } from '../../gpu-worker/models/vision/open-tower.ts';
import { pixelValues, readRgb } from '../../gpu-worker/models/vision/preprocess.ts';

const VISION = join(import.meta.dirname, '../fixtures/vision');
const FOLDERS = ['clip-quick', 'clip-gelu', 'dino', 'dino-stretched', 'dinov2', 'dinov2-giant'];
const PICTURES = ['wide', 'tall', 'small', 'fits'];

async function references(folder: string): Promise<(name: string) => Promise<Float32Array>> {
  const { tensors } = await openSafetensors(join(VISION, folder, 'reference.safetensors'));
  return async (name) => {
    const found = tensors.get(name);
    if (!found) throw new Error(`no reference ${name}`);
    return readFloats(found);
  };
}

const picture = (name: string) => readRgb(join(VISION, 'pictures', `${name}.png`));

/** Length of the difference over the length of what was expected. */
function error(actual: Float32Array, expected: Float32Array): number {
  expect(actual.length).toBe(expected.length);
  const length = (values: Float32Array): number => Math.hypot(...values);
  return length(actual.map((x, i) => x - at(expected, i))) / length(expected);
}

describe.each(FOLDERS)('%s', (folder) => {
  it('reads pictures as transformers does: pixel values are equal', async () => {
    const [{ preprocessing }, reference] = [
      await openTowerFolder(join(VISION, folder)),
      await references(folder),
    ];
    for (const name of PICTURES) {
      const values = pixelValues(preprocessing, await picture(name));
      const expected = await reference(`pixels.${name}`);
      expect(values.length).toBe(expected.length);
      const worst = values.reduce((most, x, i) => Math.max(most, Math.abs(x - at(expected, i))), 0);
      // A level of 255 is 0.008 or more.
      expect(worst, name).toBeLessThan(2e-6);
    }
  });

  it('gives the vectors that torch gives', async () => {
    const path = join(VISION, folder);
    const tower = folder.startsWith('clip') ? await openClip(path) : await openDino(path);
    const reference = await references(folder);
    for (const name of PICTURES) {
      const vector = await tower.embed(await picture(name));
      expect(vector.length).toBe(tower.width);
      expect(error(vector, await reference(`vector.${name}`)), name).toBeLessThan(1e-5);
    }
    await tower.release();
  });
});

it.each(['clip-quick', 'clip-gelu'])(
  '%s projects texts as torch does, also empty and overlong ones',
  async (folder) => {
    const clip = await openClip(join(VISION, folder));
    const reference = await references(folder);
    const { prompts } = JSON.parse(await readFile(join(VISION, 'index.json'), 'utf8')) as {
      prompts: string[];
    };
    for (const [i, prompt] of prompts.entries())
      expect(
        error(await clip.embedText(prompt), await reference(`text.${i}`)),
        prompt.slice(0, 20),
      ).toBeLessThan(1e-5);
    await clip.release();
  },
);

describe('odd folders', () => {
  let root: string;
  beforeAll(async () => (root = await mkdtemp(join(tmpdir(), 'krona-vision-'))));
  afterAll(() => rm(root, { recursive: true, force: true }));

  let copies = 0;
  /** A copy with fields of one of its configs changed; undefined removes one. */
  async function changed(folder: string, file: string, fields: Record<string, unknown>): Promise<string> {
    const copy = join(root, String(copies++));
    await cp(join(VISION, folder), copy, { recursive: true });
    const json = JSON.parse(await readFile(join(copy, file), 'utf8')) as object;
    await writeFile(join(copy, file), JSON.stringify({ ...json, ...fields }));
    return copy;
  }

  const PREPROCESSOR = 'preprocessor_config.json';
  it.each<[string, string, Record<string, unknown>, string, string]>([
    ['dino', 'config.json', { model_type: 'dinov3_vit' }, 'MODEL_ARCHITECTURE_UNSUPPORTED', 'model_type'],
    ['dino', 'config.json', { model_type: undefined }, 'MODEL_ARCHITECTURE_UNSUPPORTED', 'model_type'],
    ['dino', 'config.json', { patch_size: [4, 4] }, 'MODEL_CONFIG_INVALID', 'patch_size'],
    ['dino', 'config.json', { patch_size: 64 }, 'MODEL_CONFIG_INVALID', 'patch_size'],
    ['dino', 'config.json', { num_channels: 1 }, 'MODEL_CONFIG_UNSUPPORTED', 'num_channels'],
    ['dino', 'config.json', { num_attention_heads: 5 }, 'MODEL_CONFIG_INVALID', 'num_attention_heads'],
    ['dino', 'config.json', { hidden_act: 'mish' }, 'MODEL_CONFIG_UNSUPPORTED', 'hidden_act'],
    ['dino', 'config.json', { layer_norm_eps: 'small' }, 'MODEL_CONFIG_INVALID', 'layer_norm_eps'],
    ['dino', 'config.json', { hidden_size: 48 }, 'MODEL_TENSOR_SHAPE', 'cls_token'],
    ['dino', 'config.json', { num_hidden_layers: 3 }, 'MODEL_TENSOR_MISSING', 'encoder.layer.2'],
    ['dinov2', 'config.json', { mlp_ratio: -1 }, 'MODEL_CONFIG_INVALID', 'mlp_ratio'],
    ['clip-quick', 'config.json', { vision_config: 'base' }, 'MODEL_CONFIG_INVALID', 'vision_config'],
    ['clip-quick', 'config.json', { projection_dim: null }, 'MODEL_CONFIG_INVALID', 'projection_dim'],
    ['dino', PREPROCESSOR, { image_mean: undefined }, 'MODEL_CONFIG_INVALID', 'image_mean'],
    ['dino', PREPROCESSOR, { image_std: [1, 0, 1] }, 'MODEL_CONFIG_INVALID', 'image_std'],
    ['dino', PREPROCESSOR, { size: undefined }, 'MODEL_CONFIG_INVALID', 'size'],
    ['dino', PREPROCESSOR, { size: { shortest_edge: 32 } }, 'MODEL_CONFIG_UNSUPPORTED', 'do_center_crop'],
    ['dino', PREPROCESSOR, { resample: 0 }, 'MODEL_CONFIG_UNSUPPORTED', 'resample'],
    [
      'dino',
      PREPROCESSOR,
      { image_processor_type: 'DonutImageProcessor' },
      'MODEL_CONFIG_UNSUPPORTED',
      'image_processor_type',
    ],
    ['clip-quick', PREPROCESSOR, { crop_size: undefined }, 'MODEL_CONFIG_INVALID', 'crop_size'],
    ['clip-quick', PREPROCESSOR, { crop_size: 33 }, 'MODEL_CONFIG_UNSUPPORTED', 'crop_size'],
  ])('refuses %s with %s %o as %s, naming %s', async (folder, file, fields, code, named) => {
    const path = await changed(folder, file, fields);
    const refused = openTowerFolder(path);
    await expect(refused).rejects.toMatchObject({ code });
    await expect(refused).rejects.toThrow(named);
  });

  it('says which files are missing', async () => {
    const missing = async (folder: string, file: string): Promise<string> => {
      const path = await changed(folder, 'config.json', {});
      await rm(join(path, file));
      return path;
    };
    const refusal = (file: string) => ({
      code: 'MODEL_FILE_MISSING',
      message: expect.stringContaining(file) as string,
    });
    await expect(openDino(await missing('dino', PREPROCESSOR))).rejects.toMatchObject(refusal(PREPROCESSOR));
    await expect(openDino(await missing('dino', 'model.safetensors'))).rejects.toMatchObject(
      refusal('model.safetensors'),
    );
    await expect(openClip(await missing('clip-quick', 'vocab.json'))).rejects.toMatchObject(
      refusal('vocab.json'),
    );
    await expect(openDino(join(root, 'none'))).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
  });

  it('refuses a network of the other kind', async () => {
    await expect(openClip(join(VISION, 'dino'))).rejects.toThrow(
      /dino is of the model type vit; expected CLIP/,
    );
    await expect(openDino(join(VISION, 'clip-quick'))).rejects.toThrow(
      /of the model type clip; expected DINO/,
    );
  });

  it("reads a plain number as size: DINO's a square, CLIP's the shorter side; and CLIP's processor_config.json", async () => {
    const dino = await openTowerFolder(await changed('dino', PREPROCESSOR, { size: 20 }));
    expect(dino.preprocessing.resize?.to).toEqual({ width: 20, height: 20 });
    const path = await changed('clip-quick', PREPROCESSOR, { size: 40, crop_size: 32 });
    expect((await openTowerFolder(path)).preprocessing.resize?.to).toEqual({ shortest: 40 });
    const inner: unknown = JSON.parse(await readFile(join(path, PREPROCESSOR), 'utf8'));
    await writeFile(join(path, 'processor_config.json'), JSON.stringify({ image_processor: inner }));
    await rm(join(path, PREPROCESSOR));
    expect((await openTowerFolder(path)).preprocessing.size).toEqual({ width: 32, height: 32 });
  });
});
