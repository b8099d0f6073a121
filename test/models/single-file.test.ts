/** What a single file holds is told from its tensors; what cannot be used says what was found and what would work. */
import { cp, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { clipTokenizer } from '../../core/package.ts';
import { modelFingerprint } from '../../gpu-worker/models/fingerprint.ts';
import { inspectModel } from '../../gpu-worker/models/model-check.ts';
import { openModel } from '../../gpu-worker/models/open-model.ts';
import {
  openSafetensors,
  readFloats,
  writeSafetensors,
  type TensorToWrite,
} from '../../gpu-worker/models/safetensors.ts';
import { openSingleFile } from '../../gpu-worker/models/single-file/open-single-file.ts';
import { TextEncoder } from '../../gpu-worker/models/text-encoder.ts';
import { TINY_MODEL } from '../helpers/fixtures.ts';
import { openTiny, TINY_SINGLE_FILES, tinySingleFile, type TinyName } from '../helpers/sd-fixtures.ts';

const UNET = 'model.diffusion_model.';
const openTinyFile = (path: string) => openSingleFile(path, TINY_SINGLE_FILES);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-single-'));
  await cp(join(TINY_MODEL, 'tokenizer'), join(folder, 'tokenizer'), { recursive: true });
});
afterAll(() => rm(folder, { recursive: true }));
afterEach(() => vi.unstubAllEnvs());

let files = 0;
/** A tiny model's file with its tensors changed. */
async function changed(
  name: TinyName,
  change: (tensors: Map<string, TensorToWrite>) => void,
  metadata: Readonly<Record<string, string>> = {},
): Promise<string> {
  const tensors = new Map<string, TensorToWrite>();
  for (const [key, tensor] of (await openSafetensors(tinySingleFile(name))).tensors)
    if (tensor.dtype === 'F16' || tensor.dtype === 'BF16')
      tensors.set(key, { dtype: 'F32', shape: tensor.shape, data: await readFloats(tensor) });
  change(tensors);
  const path = join(folder, `${name}-${files++}.safetensors`);
  await writeSafetensors(path, tensors, new Map(Object.entries(metadata)));
  return path;
}

const floats = (shape: number[], value = 0): TensorToWrite => ({
  dtype: 'F32',
  shape,
  data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value),
});

/** Every parameter of a part as numbers, transposes undone. */
async function valuesOf(name: TinyName, form: 'folder' | 'single file') {
  const model = await openTiny(name, form);
  const values: Record<string, number[]> = {};
  for (const part of [...model.textEncoders, model.unet, model.vae])
    for (const [key, tensor] of part.tensors) {
      const data = await readFloats(tensor);
      const [rows, columns] = tensor.shape as [number, number];
      values[`${part.name}.${key}`] = tensor.transposed
        ? Array.from(data, (_, i) => data[(i % columns) * rows + Math.floor(i / columns)]!)
        : [...data];
    }
  return values;
}

describe('a single file', () => {
  it.each(['sd15', 'sd21', 'refiner'] as const)(
    '%s has every tensor of its source folder, under the same name',
    async (name) => {
      expect(await valuesOf(name, 'single file')).toEqual(await valuesOf(name, 'folder'));
    },
  );

  it.each(['sd15', 'sd21', 'sdxl', 'refiner'] as const)(
    '%s is complete, and its other tensors are known',
    async (name) => {
      const report = await inspectModel(tinySingleFile(name), openTinyFile);
      expect(report.problems).toEqual([]);
      expect(report.ok).toBe(true);
    },
  );

  it('is the same model to adapters as the folder with the same weights', async () => {
    expect(await modelFingerprint(await openTiny('sd15', 'single file'))).toBe(
      await modelFingerprint(await openTiny('sd15', 'folder')),
    );
  });

  it('is read in place: q, k and v are ranges of one tensor', async () => {
    const stored = (await openSafetensors(tinySingleFile('sd21'))).tensors;
    const fused = stored.get('cond_stage_model.model.transformer.resblocks.1.attn.in_proj_weight')!;
    const { textEncoders } = await openTiny('sd21', 'single file');
    const k = textEncoders[0].tensors.get('text_model.encoder.layers.1.self_attn.k_proj.weight')!;
    expect(k).toMatchObject({
      path: fused.path,
      offset: fused.offset + fused.length / 3,
      length: fused.length / 3,
      shape: [24, 24],
    });
  });

  it('opens through a link, as in a cache', async () => {
    const link = join(folder, 'linked.safetensors');
    await symlink(tinySingleFile('sd15'), link);
    expect(await openTinyFile(link)).toMatchObject({ name: 'linked', architecture: 'sd1' });
  });

  it('reads text encoders without the prefix text_model.', async () => {
    const path = await changed('sd15', (tensors) => {
      for (const [key, tensor] of [...tensors])
        if (key.includes('.text_model.')) {
          tensors.delete(key);
          tensors.set(key.replace('text_model.', ''), tensor);
        }
    });
    expect((await inspectModel(path, openTinyFile)).problems).toEqual([]);
  });
});

describe("OpenCLIP's projection", () => {
  /** Of SDXL's second encoder, as diffusers has it; and what model check says of the file. */
  const projection = async (path: string) => {
    const { textEncoders } = await openTinyFile(path);
    const tensor = textEncoders.at(-1)!.tensors.get('text_projection.weight')!;
    return { shape: tensor.shape, transposed: tensor.transposed ?? false, values: await readFloats(tensor) };
  };

  it.each([
    ['sdxl', 'conditioner.embedders.1.model.'],
    ['refiner', 'conditioner.embedders.0.model.'],
  ] as const)(
    '%s opens with it as a linear layer, as the script of diffusers leaves it',
    async (name, prefix) => {
      const original = await projection(tinySingleFile(name));
      expect(original.transposed).toBe(true);
      const [rows, columns] = original.shape as [number, number];
      const linear = original.values.map(
        (_, i) => original.values[(i % columns) * rows + Math.floor(i / columns)]!,
      );
      const path = await changed(name, (tensors) => {
        tensors.delete(`${prefix}text_projection`);
        tensors.set(`${prefix}text_projection.weight`, {
          dtype: 'F32',
          shape: [rows, columns],
          data: linear,
        });
      });
      expect((await inspectModel(path, openTinyFile)).problems).toEqual([]);
      expect(await projection(path)).toEqual({ shape: original.shape, transposed: false, values: linear });
    },
  );

  it.each(['text_projection', 'text_projection.weight'])('is known and unused in SD 2: %s', async (key) => {
    const path = await changed('sd21', (tensors) =>
      tensors.set(`cond_stage_model.model.${key}`, floats([24, 20])),
    );
    expect((await inspectModel(path, openTinyFile)).problems).toEqual([]);
  });
});

describe('its prediction type', () => {
  const prediction = async (path: string) =>
    (await openTinyFile(path)).scheduler['prediction_type'] ?? 'epsilon';

  it('is noise unless the file says otherwise', async () => {
    expect(await prediction(await changed('sd15', () => {}))).toBe('epsilon');
    expect(await prediction(await changed('sdxl', () => {}))).toBe('epsilon');
  });

  it('is velocity by marker tensors, with zero terminal SNR if marked', async () => {
    const path = await changed('sdxl', (tensors) => {
      tensors.set('v_pred', floats([0]));
      tensors.set('ztsnr', floats([0]));
    });
    const { scheduler, extra } = await openTinyFile(path);
    expect(scheduler).toMatchObject({
      prediction_type: 'v_prediction',
      rescale_betas_zero_snr: true,
      timestep_spacing: 'trailing',
    });
    expect(extra).toEqual([]);
  });

  it('follows the metadata', async () => {
    expect(await prediction(await changed('sdxl', () => {}, { 'modelspec.prediction_type': 'v' }))).toBe(
      'v_prediction',
    );
  });

  it('follows a config beside the file', async () => {
    const path = await changed('sd15', () => {});
    await writeFile(path.replace('.safetensors', '.yaml'), 'model:\n  params:\n    parameterization: "v"\n');
    expect(await prediction(path)).toBe('v_prediction');
    // Reading it takes no time that grows with the square of its length.
    const lines = `${'\n'.repeat(1.5e6)}  parameterization: v`;
    await writeFile(path.replace('.safetensors', '.yaml'), lines);
    expect(await prediction(path)).toBe('v_prediction');
  });

  it("follows from SD 2.x's weights: the biases of 768-v are wide", async () => {
    const spread = (width: number) =>
      changed('sd21', (tensors) => {
        const name = `${UNET}output_blocks.11.1.transformer_blocks.0.norm1.bias`;
        const { shape, data } = tensors.get(name)!;
        tensors.set(name, {
          dtype: 'F32',
          shape,
          data: Float32Array.from({ length: data.length }, (_, i) => (i % 2 ? width : -width)),
        });
      });
    expect(await prediction(await spread(0.2))).toBe('v_prediction');
    const base = await openSingleFile(
      await spread(0.05),
      TINY_SINGLE_FILES.map((model) => ({ ...model, scheduler: { _class_name: 'PNDMScheduler' } })),
    );
    expect(base.scheduler).toEqual({ _class_name: 'PNDMScheduler' });
  });

  it('is refused if it is neither', async () => {
    const path = await changed('sdxl', (tensors) => tensors.set('edm_mean', floats([4])));
    await expect(openTinyFile(path)).rejects.toMatchObject({
      code: 'MODEL_ARCHITECTURE_UNSUPPORTED',
      message: expect.stringContaining('EDM') as string,
    });
  });
});

describe('a tokenizer', () => {
  it('is looked for in KRONA_TOKENIZER, beside the file and in its folder; CLIP’s own comes with Krona', async () => {
    const alone = await mkdtemp(join(folder, 'alone-'));
    const path = join(alone, 'model.safetensors');
    await cp(tinySingleFile('sd15'), path);
    const place = async () => (await openTinyFile(path)).tokenizers[0].folder;
    vi.stubEnv('KRONA_TOKENIZER', '');
    expect(await place()).toBe(clipTokenizer);
    await cp(join(TINY_MODEL, 'tokenizer'), alone, { recursive: true });
    expect(await place()).toBe(alone);
    await cp(join(TINY_MODEL, 'tokenizer'), join(alone, 'tokenizer'), { recursive: true });
    expect(await place()).toBe(join(alone, 'tokenizer'));
    vi.stubEnv('KRONA_TOKENIZER', TINY_MODEL);
    expect(await place()).toBe(join(TINY_MODEL, 'tokenizer'));
  });

  it('serves both text encoders of SDXL, also as tokenizer.json', async () => {
    const alone = await mkdtemp(join(folder, 'json-'));
    const path = join(alone, 'model.safetensors');
    await cp(tinySingleFile('sdxl'), path);
    await cp(join(TINY_MODEL, '../tokenizers/json-1'), join(alone, 'tokenizer'), { recursive: true });
    vi.stubEnv('KRONA_TOKENIZER', '');
    const encoder = await TextEncoder.open(await openTinyFile(path));
    const reference = await TextEncoder.open(await openTiny('sdxl', 'single file'));
    expect(await encoder.encode('wow! a cat')).toEqual(await reference.encode('wow! a cat'));
    await Promise.all([encoder.release(), reference.release()]);
  });

  it('of another model is refused', async () => {
    const known = TINY_SINGLE_FILES.map((model) => {
      const [first, ...more] = model.textEncoders;
      return {
        ...model,
        textEncoders: [{ ...first, config: { ...first.config, vocab_size: 600 } }, ...more] as const,
      };
    });
    const report = await inspectModel(tinySingleFile('sd15'), (path) => openSingleFile(path, known));
    expect(report.problems.map(({ code }) => code)).toContain('MODEL_TOKENIZER_MISMATCH');
  });
});

describe("a file that can't be used says why", () => {
  const cases: [string, () => Promise<string>, string, RegExp][] = [
    [
      'pickle',
      () => write('model.ckpt', 'x'),
      'MODEL_PICKLE',
      /model\.ckpt is a Python pickle.*convert it to \.safetensors/,
    ],
    [
      'pickle by another name',
      () => write('p.safetensors', '\x80\x02}q\0.....'),
      'SAFETENSORS_FOREIGN',
      /pickle/,
    ],
    [
      'no model at all',
      () => Promise.resolve(join(folder, 'nowhere')),
      'MODEL_NOT_FOUND',
      /\.safetensors file/,
    ],
    [
      'adapter',
      () => only({ 'lora_unet_down_blocks_0.lora_down.weight': floats([4, 4]) }),
      'MODEL_ARCHITECTURE_UNSUPPORTED',
      /an adapter and not a model/,
    ],
    [
      'part of a folder',
      () => only({ 'down_blocks.0.resnets.0.conv1.weight': floats([4]) }),
      'MODEL_ARCHITECTURE_UNSUPPORTED',
      /one part of a diffusers folder/,
    ],
    [
      'other architecture',
      () => only({ 'model.diffusion_model.double_blocks.0.x': floats([4]) }),
      'MODEL_ARCHITECTURE_UNSUPPORTED',
      /a FLUX model.*Supported as single files: Stable Diffusion 1\.x, Stable Diffusion 2\.x, SDXL, SDXL refiner/,
    ],
    [
      'unknown widths',
      () =>
        only({
          [`${UNET}input_blocks.0.0.weight`]: floats([100, 4, 3, 3]),
          [`${UNET}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight`]: floats([100, 99]),
        }),
      'MODEL_ARCHITECTURE_UNSUPPORTED',
      /begins with 100 channels and reads text of width 99/,
    ],
    [
      'UNet alone',
      () => only({ [`${UNET}input_blocks.0.0.weight`]: floats([320, 4, 3, 3]), [toK]: floats([320, 768]) }),
      'MODEL_ARCHITECTURE_UNSUPPORTED',
      /the UNet of Stable Diffusion 1\.x without its text encoders \(cond_stage_model\.transformer\./,
    ],
    [
      'depth-guided model',
      () =>
        only({
          [`${UNET}input_blocks.0.0.weight`]: floats([320, 5, 3, 3]),
          [toK]: floats([320, 768]),
          'cond_stage_model.transformer.x': floats([1]),
        }),
      'MODEL_ARCHITECTURE_UNSUPPORTED',
      /a depth-guided variant.*5 channels, expected 4, or for inpainting 9/,
    ],
    [
      'no VAE',
      () =>
        only({
          [`${UNET}input_blocks.0.0.weight`]: floats([320, 4, 3, 3]),
          [toK]: floats([320, 768]),
          'cond_stage_model.transformer.x': floats([1]),
        }),
      'MODEL_ARCHITECTURE_UNSUPPORTED',
      /has no VAE/,
    ],
  ];
  const toK = `${UNET}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight`;
  const write = async (name: string, content: string) => {
    const path = join(folder, name);
    await writeFile(path, content, 'latin1');
    return path;
  };
  const only = async (tensors: Record<string, TensorToWrite>) => {
    const path = join(folder, `only-${files++}.safetensors`);
    await writeSafetensors(path, new Map(Object.entries(tensors)));
    return path;
  };

  it.each(cases)('%s', async (_, make, code, message) => {
    await expect(openModel(await make())).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message) as string,
    });
  });

  const beside: [string, TinyName, string, RegExp][] = [
    [
      'unCLIP by its class embedding',
      'sd21',
      `${UNET}label_emb.0.0.weight`,
      /label_emb.*text-to-image model/,
    ],
    [
      'unCLIP by its picture encoder',
      'sd21',
      'embedder.model.visual.class_embedding',
      /unCLIP.*text-to-image original/,
    ],
    ['unCLIP by its noise', 'sd21', 'noise_augmentor.data_mean', /unCLIP/],
    [
      'whatever is left of a UNet',
      'sdxl',
      `${UNET}extra.weight`,
      /another: 1 tensors .*SDXL.*extra\.weight.*plain/,
    ],
  ];
  it.each(beside)('%s: its UNet would compute something else', async (_, name, key, message) => {
    const path = await changed(name, (tensors) => tensors.set(key, floats([4])));
    const report = await inspectModel(path, openTinyFile);
    expect(report.ok).toBe(false);
    expect(report.problems).toEqual([
      { code: 'MODEL_ARCHITECTURE_UNSUPPORTED', message: expect.stringMatching(message) as string },
    ]);
    expect(report.problems[0]!.message).toContain(key);
  });

  it('is truncated', async () => {
    const path = join(folder, 'cut.safetensors');
    await cp(tinySingleFile('sd15'), path);
    await truncate(path, 300_000);
    await expect(openTinyFile(path)).rejects.toMatchObject({ code: 'SAFETENSORS_TRUNCATED' });
  });

  it('has missing, wrongly shaped, unknown or wrongly typed tensors, by their names in the file', async () => {
    const path = await changed('sd15', (tensors) => {
      tensors.delete(`${UNET}time_embed.0.weight`);
      tensors.set(`${UNET}out.2.bias`, floats([5]));
      tensors.set('first_stage_model.extra.weight', floats([1]));
      tensors.set('first_stage_model.quant_conv.bias', { dtype: 'I32', shape: [8], data: new Int32Array(8) });
    });
    const report = await inspectModel(path, openTinyFile);
    expect(report).toMatchObject({ architecture: 'sd1', ok: false });
    expect(report.problems.map(({ message }) => message)).toEqual([
      `unet: time_embedding.linear_1.weight (in the file ${UNET}time_embed.0.weight) is missing; expected shape [32, 8]. Download the model again.`,
      `unet: conv_out.bias (in the file ${UNET}out.2.bias) has shape [5]; the config needs [4]. Take weights and config of the same model.`,
      'vae: quant_conv.bias (in the file first_stage_model.quant_conv.bias) is I32; supported: F32, F16, BF16. Save the model in one of these.',
      expect.stringMatching(/1 tensors have no place in this architecture: first_stage_model\.extra\.weight/),
    ]);
  });

  it('has a fused tensor of the wrong shape', async () => {
    const name = 'cond_stage_model.model.transformer.resblocks.0.attn.in_proj_bias';
    const path = await changed('sd21', (tensors) => tensors.set(name, floats([70])));
    const { problems } = await inspectModel(path, openTinyFile);
    expect(problems.map(({ message }) => message)).toContain(
      `text_encoder: text_model.encoder.layers.0.self_attn.q_proj.bias (in the file ${name}) has shape [70]; the config needs [24]. Take weights and config of the same model.`,
    );
  });
});
