/**
 * The published models at full size, by headers alone: files with the true names and shapes (test/fixtures/sd-tiny,
 * full-size.json.gz: taken from diffusers and transformers) and a hole where the weights would be.
 */
import { cp, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attentionProjections } from '../../gpu-worker/adapters/attention-projections.ts';
import { inspectModel } from '../../gpu-worker/models/model-check.ts';
import { openModel } from '../../gpu-worker/models/open-model.ts';
import { readFullSizeUnets } from '../helpers/distilled.ts';
import { TINY_MODEL } from '../helpers/fixtures.ts';
import { writeFullSizeFolder, writeWeights } from '../helpers/full-size-folder.ts';
import { readFullSize, type TinyName } from '../helpers/sd-fixtures.ts';

const REAL = readFullSize();

/** Parameters of each part, as the models' authors and torch count them. */
const COUNTS = {
  sd15: { unet: 859_520_964, text_encoder: 123_060_480, vae: 83_653_863 },
  sd21: { unet: 865_910_724, text_encoder: 340_387_840, vae: 83_653_863 },
  sdxl: { unet: 2_567_463_684, text_encoder: 123_060_480, text_encoder_2: 694_659_840, vae: 83_653_863 },
  refiner: { unet: 2_259_526_660, text_encoder_2: 694_659_840, vae: 83_653_863 },
} as const;
const ARCHITECTURE = { sd15: 'sd1', sd21: 'sd2', sdxl: 'sdxl', refiner: 'sdxl-refiner' } as const;
const NAMES = Object.keys(COUNTS) as TinyName[];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-full-'));
  // One vocabulary beside the single files; the tiny one numbers fewer tokens than the models know, which is no harm.
  await cp(join(TINY_MODEL, 'tokenizer'), join(folder, 'tokenizer'), { recursive: true });
});
afterAll(() => rm(folder, { recursive: true }));

describe.each(NAMES)('%s', (name) => {
  it.each(['folder', 'single file'])(
    'is complete as a %s, with exactly its known number of parameters',
    async (form) => {
      const path = join(folder, form === 'folder' ? name : `${name}.safetensors`);
      if (form === 'folder') await writeFullSizeFolder(name, path);
      else await writeWeights(path, REAL[name].single, 'F16');
      const report = await inspectModel(path);
      expect(report.problems).toEqual([]);
      expect(report).toMatchObject({ architecture: ARCHITECTURE[name], ok: true });
      expect(
        Object.fromEntries(report.parts.map(({ name: part, parameters }) => [part, parameters])),
      ).toEqual(COUNTS[name]);
      expect(report.parts.every(({ dtypes }) => dtypes.join() === (form === 'folder' ? 'F32' : 'F16'))).toBe(
        true,
      );
      // Nothing was written but headers.
      const written = form === 'folder' ? join(path, 'unet/diffusion_pytorch_model.safetensors') : path;
      const { size, blocks } = await stat(written);
      expect(size).toBeGreaterThan(1e9);
      expect(blocks * 512).toBeLessThan(4e6);
    },
  );

  it('has the same configs in both forms', async () => {
    const model = await openModel(join(folder, `${name}.safetensors`));
    const saved = await openModel(join(folder, name));
    // 768-v has other latents than base, which shapes do not tell: the hole's biases have no spread.
    const expected = { ...saved.unet.config, ...(name === 'sd21' ? { sample_size: 64 } : {}) };
    expect(model.unet.config).toEqual(expected);
    const { sample_size: _, scaling_factor: __, ...vae } = saved.vae.config;
    expect(model.vae.config).toMatchObject(vae);
    for (const [i, { config }] of saved.textEncoders.entries()) {
      const { pad_token_id: ___, ...text } = config;
      expect(model.textEncoders[i]!.config).toMatchObject(text);
    }
  });
});

/** UNets of distilled models, as their cards and torch count them. */
const DISTILLED = {
  'bk-sdm-base': 579_384_964,
  'bk-sdm-small': 482_346_884,
  'bk-sdm-tiny': 323_384_964,
  'ssd-1b': 1_331_334_404,
  vega: 745_225_604,
  'koala-700m': 782_822_724,
  'koala-1b': 1_161_184_324,
  'lcm-dreamshaper': 859_602_884,
} as const;

describe.each(Object.entries(DISTILLED))('%s', (name, parameters) => {
  const published = readFullSizeUnets()[name]!;
  const { base } = published;

  it.each(['folder', 'single file'])('is complete as a %s', async (form) => {
    const path = join(folder, form === 'folder' ? name : `${name}.safetensors`);
    if (form === 'folder') {
      const unet = { shapes: published.folder, config: published.config };
      await writeFullSizeFolder(base, path, undefined, unet);
    } else {
      const others = Object.entries(REAL[base].single).filter(([key]) => !key.startsWith('model.diffusion_'));
      await writeWeights(path, { ...Object.fromEntries(others), ...published.single }, 'F16');
    }
    const report = await inspectModel(path);
    expect(report.problems).toEqual([]);
    expect(report).toMatchObject({ architecture: ARCHITECTURE[base], ok: true });
    expect(report.parts[0]).toMatchObject({ name: 'unet', parameters });
  });

  it('has the same attention in both forms', async () => {
    const [saved, single] = [
      await openModel(join(folder, name)),
      await openModel(join(folder, `${name}.safetensors`)),
    ];
    expect(attentionProjections(single.unet.config)).toEqual(attentionProjections(saved.unet.config));
    expect(single.unet.config.num_attention_heads).toEqual(saved.unet.config.num_attention_heads);
  });
});

it('SDXL and its refiner scale latents as their VAE was trained, SD as its own', async () => {
  const factor = async (name: TinyName) => {
    const { vae } = await openModel(join(folder, `${name}.safetensors`));
    return vae.config.scaling_factor;
  };
  expect([await factor('sd15'), await factor('sd21'), await factor('sdxl'), await factor('refiner')]).toEqual(
    [0.18215, 0.18215, 0.13025, 0.13025],
  );
});
