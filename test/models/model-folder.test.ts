import { cp, mkdir, mkdtemp, readFile, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openModelFolder } from '../../gpu-worker/models/model-folder.ts';
import {
  openSafetensors,
  readFloats,
  writeSafetensors,
  type TensorToWrite,
} from '../../gpu-worker/models/safetensors.ts';

const TINY = join(import.meta.dirname, '../fixtures/sdxl-tiny/model');

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-model-'));
});
afterAll(() => rm(folder, { recursive: true }));

let copies = 0;
/** A copy of the tiny model that a test may spoil. */
async function copy(): Promise<string> {
  const path = join(folder, `model-${copies++}`);
  await cp(TINY, path, { recursive: true });
  return path;
}

async function editJson(path: string, change: Record<string, unknown>): Promise<void> {
  const json = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
  // `undefined` removes a field.
  await writeFile(path, JSON.stringify({ ...json, ...change }));
}

async function load(path: string): Promise<Map<string, TensorToWrite>> {
  const { tensors } = await openSafetensors(path);
  const loaded = new Map<string, TensorToWrite>();
  for (const [name, tensor] of tensors)
    loaded.set(name, { dtype: 'F32', shape: tensor.shape, data: await readFloats(tensor) });
  return loaded;
}

describe('a folder that diffusers saved', () => {
  it('opens with typed configs', async () => {
    const model = await openModelFolder(TINY);
    expect(model).toMatchObject({ name: 'model', architecture: 'sdxl', forceZerosForEmptyPrompt: true });
    expect(model.unet.config).toMatchObject({
      block_out_channels: [8, 16, 24],
      layers_per_block: [1, 1, 1],
      transformer_layers_per_block: [1, 1, 2],
      num_attention_heads: [1, 2, 3],
      cross_attention_dim: 40,
      addition_embed_type: 'text_time',
      addition_time_embed_dim: 8,
      projection_class_embeddings_input_dim: 68,
      flip_sin_to_cos: true,
      freq_shift: 0,
      norm_eps: 1e-5,
    });
    expect(model.vae.config).toMatchObject({
      block_out_channels: [8, 8, 16, 16],
      scaling_factor: 0.43,
      shift_factor: 0,
      use_quant_conv: true,
    });
    expect(model.textEncoders[0].config).toMatchObject({ hidden_act: 'quick_gelu', projection_dim: null });
    expect(model.textEncoders[1]!.config).toMatchObject({
      hidden_act: 'gelu',
      projection_dim: 20,
      eos_token_id: 2,
    });
    expect(model.scheduler['beta_schedule']).toBe('scaled_linear');
  });

  it('has both text encoders under the same names, although transformers 5 omits the prefix in one', async () => {
    const { textEncoders } = await openModelFolder(TINY);
    for (const { tensors, config } of textEncoders) {
      expect(tensors.get('text_model.encoder.layers.0.self_attn.q_proj.weight')!.shape).toEqual([
        config.hidden_size,
        config.hidden_size,
      ]);
      expect(tensors.has('text_model.embeddings.token_embedding.weight')).toBe(true);
      expect(tensors.has('text_model.final_layer_norm.bias')).toBe(true);
    }
    expect(textEncoders[1]!.tensors.get('text_projection.weight')!.shape).toEqual([20, 24]);
  });

  it('uses the weights in place', async () => {
    const { unet } = await openModelFolder(TINY);
    const tensor = unet.tensors.get('conv_in.weight')!;
    const bytes = (await readFile(tensor.path)).subarray(tensor.offset, tensor.offset + tensor.length);
    expect(tensor.shape).toEqual([8, 4, 3, 3]);
    expect(await readFloats(tensor)).toEqual(new Float32Array(Uint8Array.from(bytes).buffer));
  });

  it('opens from a hub cache, where every file is a link to a blob', async () => {
    const model = await copy();
    const cache = join(folder, 'cache');
    await mkdir(join(cache, 'blobs'), { recursive: true });
    const snapshot = join(cache, 'snapshots', 'main');
    await cp(model, snapshot, { recursive: true });
    const weights = join(snapshot, 'unet', 'diffusion_pytorch_model.safetensors');
    await rename(weights, join(cache, 'blobs', '1234'));
    await symlink('../../../blobs/1234', weights);
    const { unet } = await openModelFolder(snapshot);
    expect(unet.tensors.get('conv_in.weight')!.path).toMatch(/blobs.1234$/);
  });

  it('opens shards, by the index beside them', async () => {
    const model = await copy();
    const file = join(model, 'unet', 'diffusion_pytorch_model.safetensors');
    const tensors = [...(await load(file))];
    await rm(file);
    const parts = [tensors.slice(0, 100), tensors.slice(100)];
    const weight_map: Record<string, string> = {};
    for (const [i, part] of parts.entries()) {
      const name = `diffusion_pytorch_model-0000${i + 1}-of-00002.safetensors`;
      await writeSafetensors(join(model, 'unet', name), new Map(part));
      for (const [key] of part) weight_map[key] = name;
    }
    const index = join(model, 'unet', 'diffusion_pytorch_model.safetensors.index.json');
    await writeFile(index, JSON.stringify({ metadata: {}, weight_map }));
    const { unet } = await openModelFolder(model);
    expect([...unet.tensors.keys()].sort()).toEqual(tensors.map(([name]) => name).sort());

    await editJson(index, { weight_map: { ...weight_map, 'conv_in.weight': '../vae/x.safetensors' } });
    await expect(openModelFolder(model)).rejects.toMatchObject({ code: 'MODEL_INDEX_INVALID' });
    const elsewhere = Object.values(weight_map).find((part) => part !== weight_map['conv_in.weight'])!;
    await editJson(index, { weight_map: { ...weight_map, 'conv_in.weight': elsewhere } });
    await expect(openModelFolder(model)).rejects.toMatchObject({
      code: 'MODEL_INDEX_INVALID',
      message: expect.stringContaining('conv_in.weight') as string,
    });
  });

  it('falls back to the fp16 variant if there is no other', async () => {
    const model = await copy();
    const path = join(model, 'vae', 'diffusion_pytorch_model');
    await rename(`${path}.safetensors`, `${path}.fp16.safetensors`);
    expect((await openModelFolder(model)).vae.tensors.size).toBeGreaterThan(0);
  });

  it('reads old VAE files, with query, key, value and proj_attn as 1×1 convolutions', async () => {
    const model = await copy();
    const file = join(model, 'vae', 'diffusion_pytorch_model.safetensors');
    const now = await load(file);
    const old = new Map<string, TensorToWrite>();
    for (const [name, tensor] of now) {
      const renamed = name
        .replace('.to_q.', '.query.')
        .replace('.to_k.', '.key.')
        .replace('.to_v.', '.value.')
        .replace('.to_out.0.', '.proj_attn.');
      old.set(
        renamed,
        renamed !== name && tensor.shape.length === 2
          ? { ...tensor, shape: [...tensor.shape, 1, 1] }
          : tensor,
      );
    }
    await writeSafetensors(file, old);
    const { vae } = await openModelFolder(model);
    const shapes = (tensors: Iterable<[string, { shape: readonly number[] }]>) =>
      [...tensors].map(([name, { shape }]) => `${name} ${shape.join('×')}`).sort();
    expect(shapes(vae.tensors)).toEqual(shapes(now));
  });
});

describe("a folder that can't be used says why", () => {
  const cases: [string, (model: string) => Promise<void>, string, RegExp][] = [
    ['is no model', (m) => rm(join(m, 'model_index.json')), 'MODEL_FILE_MISSING', /model_index\.json/],
    [
      'is of another architecture',
      (m) => editJson(join(m, 'model_index.json'), { _class_name: 'FluxPipeline' }),
      'MODEL_ARCHITECTURE_UNSUPPORTED',
      /"FluxPipeline"; supported: StableDiffusionXLPipeline/,
    ],
    [
      'has another kind of part',
      (m) => editJson(join(m, 'model_index.json'), { vae: ['diffusers', 'AutoencoderTiny'] }),
      'MODEL_ARCHITECTURE_UNSUPPORTED',
      /vae "AutoencoderTiny"; supported: AutoencoderKL/,
    ],
    [
      'has blocks not built here',
      (m) =>
        editJson(join(m, 'unet/config.json'), {
          down_block_types: ['DownBlock2D', 'KDownBlock2D', 'CrossAttnDownBlock2D'],
        }),
      'MODEL_CONFIG_UNSUPPORTED',
      /unet\/config\.json: "down_block_types".*KDownBlock2D.*supported: a list of CrossAttnDownBlock2D, DownBlock2D/,
    ],
    [
      'has another middle block',
      (m) => editJson(join(m, 'unet/config.json'), { mid_block_type: 'UNetMidBlock2DSimpleCrossAttn' }),
      'MODEL_CONFIG_UNSUPPORTED',
      /"mid_block_type" is "UNetMidBlock2DSimpleCrossAttn"; supported: UNetMidBlock2DCrossAttn, UNetMidBlock2D/,
    ],
    [
      'has attentions without their depths',
      (m) => editJson(join(m, 'unet/config.json'), { transformer_layers_per_block: [1, [1], [1]] }),
      'MODEL_CONFIG_INVALID',
      /"transformer_layers_per_block" is \[1,\[1\],\[1\]\]; expected for a block with 2 attentions one number from 1, or 2/,
    ],
    [
      'has an odd guidance input',
      (m) => editJson(join(m, 'unet/config.json'), { time_cond_proj_dim: 7 }),
      'MODEL_CONFIG_INVALID',
      /"time_cond_proj_dim" is 7; expected an even number/,
    ],
    [
      'has an attention of no depth',
      (m) => editJson(join(m, 'unet/config.json'), { transformer_layers_per_block: [1, 0, 1] }),
      'MODEL_CONFIG_INVALID',
      /"transformer_layers_per_block" is \[1,0,1\]; expected for a block with 1 attentions/,
    ],
    [
      'has widths that the heads do not divide',
      (m) => editJson(join(m, 'unet/config.json'), { attention_head_dim: [1, 3, 3] }),
      'MODEL_CONFIG_INVALID',
      /"attention_head_dim".*divisors/,
    ],
    [
      'has a list of the wrong length',
      (m) => editJson(join(m, 'unet/config.json'), { layers_per_block: [1, 1] }),
      'MODEL_CONFIG_INVALID',
      /"layers_per_block" is \[1,1\]; expected a number, or 3/,
    ],
    [
      'has parts that do not fit',
      (m) => editJson(join(m, 'unet/config.json'), { cross_attention_dim: 2048 }),
      'MODEL_CONFIG_INVALID',
      /cross_attention_dim.* is 2048, expected 40\. Take all parts from one model/,
    ],
    [
      'has latents scaled by statistics',
      (m) => editJson(join(m, 'vae/config.json'), { latents_mean: [0, 0, 0, 0] }),
      'MODEL_CONFIG_UNSUPPORTED',
      /latents_mean/,
    ],
    [
      'has a config that is not JSON',
      (m) => writeFile(join(m, 'vae/config.json'), '{'),
      'MODEL_CONFIG_INVALID',
      /vae\/config\.json is not JSON\. Download the file again/,
    ],
    ['lacks a config', (m) => rm(join(m, 'unet/config.json')), 'MODEL_FILE_MISSING', /unet\/config\.json/],
    [
      'has only a pickle',
      (m) =>
        rename(
          join(m, 'unet/diffusion_pytorch_model.safetensors'),
          join(m, 'unet/diffusion_pytorch_model.bin'),
        ),
      'MODEL_FILE_MISSING',
      /unet\/.*diffusion_pytorch_model\.bin is a Python pickle/,
    ],
    [
      'was cut off',
      (m) => truncate(join(m, 'unet/diffusion_pytorch_model.safetensors'), 500_000),
      'SAFETENSORS_TRUNCATED',
      /unet\/diffusion_pytorch_model\.safetensors is cut off in tensor .*, found 500000/,
    ],
  ];
  it.each(cases)('%s', async (_, spoil, code, message) => {
    const model = await copy();
    await spoil(model);
    await expect(openModelFolder(model)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message) as string,
    });
  });

  it.each<[string, string[], RegExp]>([
    ['is empty', [], /models is empty.*krona model pull/],
    [
      'holds single files',
      ['sd15.safetensors', 'anime.safetensors', 'notes.txt'],
      /no model_index\.json, but single files: anime\.safetensors, sd15\.safetensors\. Give one of them, such as models\/anime\.safetensors/,
    ],
    [
      'is one part of a model',
      ['config.json', 'diffusion_pytorch_model.safetensors'],
      /one part of a model: give the folder above/,
    ],
    ['lies around a model', ['sdxl/model_index.json', 'vae.txt'], /but sdxl has one: give that folder/],
    ['holds pickles', ['sd15.ckpt'], /sd15\.ckpt is a Python pickle.*convert it to \.safetensors/],
    ['holds anything else', ['cat.png'], /in it are cat\.png\. Give a folder that diffusers saved/],
  ])('%s', async (_, files, message) => {
    const at = join(await mkdtemp(join(folder, 'other-')), 'models');
    await mkdir(at);
    for (const file of files) {
      await mkdir(dirname(join(at, file)), { recursive: true });
      await writeFile(join(at, file), 'x');
    }
    await expect(openModelFolder(at)).rejects.toMatchObject({
      code: 'MODEL_FILE_MISSING',
      message: expect.stringMatching(message) as string,
    });
  });

  it("doesn't exist", async () => {
    await expect(openModelFolder(join(folder, 'nowhere'))).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
  });
});
