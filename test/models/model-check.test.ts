import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  checkModel,
  clipParameters,
  inspectModel,
  unetParameters,
  vaeParameters,
} from '../../gpu-worker/models/model-check.ts';
import { clipTextConfig, unetConfig, vaeConfig } from '../../gpu-worker/models/model-configs.ts';
import type { ParameterShape } from '../../gpu-worker/models/parameters.ts';
import {
  openSafetensors,
  readFloats,
  writeSafetensors,
  type TensorToWrite,
} from '../../gpu-worker/models/safetensors.ts';
import { SDXL_UNET } from '../helpers/sdxl-config.ts';

const TINY = join(import.meta.dirname, '../fixtures/sdxl-tiny/model');
const UNET = 'unet/diffusion_pytorch_model.safetensors';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-check-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** A copy of the tiny model with its UNet's tensors changed. */
async function spoiled(change: (tensors: Map<string, TensorToWrite>) => void): Promise<string> {
  const model = await mkdtemp(join(folder, 'model-'));
  await cp(TINY, model, { recursive: true });
  const tensors = new Map<string, TensorToWrite>();
  for (const [name, tensor] of (await openSafetensors(join(TINY, UNET))).tensors)
    tensors.set(name, { dtype: 'F32', shape: tensor.shape, data: await readFloats(tensor) });
  change(tensors);
  await writeSafetensors(join(model, UNET), tensors);
  return model;
}

async function elements(file: string): Promise<number> {
  const { tensors } = await openSafetensors(join(TINY, file));
  return [...tensors.values()].reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
}

describe('checking a model folder', () => {
  it('counts the parameters of a complete one', async () => {
    expect(await checkModel(TINY)).toEqual({
      architecture: 'sdxl',
      unetParameters: await elements(UNET),
      textEncoderParameters:
        (await elements('text_encoder/model.safetensors')) +
        (await elements('text_encoder_2/model.safetensors')),
      vaeParameters: await elements('vae/diffusion_pytorch_model.safetensors'),
      ok: true,
      problems: [],
    });
  });

  it('names every tensor that is missing or has another shape, with what was expected', async () => {
    const model = await spoiled((tensors) => {
      tensors.delete('conv_in.weight');
      tensors.delete('mid_block.attentions.0.proj_in.bias');
      tensors.set('conv_out.weight', { dtype: 'F32', shape: [4, 8, 1, 1], data: new Float32Array(32) });
    });
    const report = await checkModel(model);
    expect(report).toMatchObject({ architecture: 'sdxl', ok: false });
    expect(report.problems.map(({ message }) => message)).toEqual([
      'unet: conv_in.weight is missing; expected shape [8, 4, 3, 3]. Download the model again.',
      'unet: mid_block.attentions.0.proj_in.bias is missing; expected shape [24]. Download the model again.',
      'unet: conv_out.weight has shape [4, 8, 1, 1]; the config needs [4, 8, 3, 3]. Take weights and config of the same model.',
    ]);
  });

  it('of which a part is missing names and counts the parts that are there', async () => {
    const model = await spoiled(() => {});
    await rm(join(model, 'vae'), { recursive: true });
    await rm(join(model, 'model_index.json'));
    const report = await checkModel(model);
    expect(report).toMatchObject({
      architecture: null,
      ok: false,
      unetParameters: await elements(UNET),
      vaeParameters: 0,
    });
    expect(report.textEncoderParameters).toBeGreaterThan(0);
    expect((await inspectModel(model)).parts.map(({ name, dtypes }) => [name, ...dtypes])).toEqual([
      ['unet', 'F32'],
      ['text_encoder', 'F32'],
      ['text_encoder_2', 'F32'],
    ]);
    expect(report.problems.map(({ code }) => code)).toEqual(['MODEL_FILE_MISSING']);
  });

  it('reports unused tensors, which stop nothing', async () => {
    const model = await spoiled((tensors) => {
      tensors.set('ip_adapter.to_k.weight', { dtype: 'F32', shape: [1], data: new Float32Array(1) });
    });
    const report = await checkModel(model);
    expect(report.ok).toBe(true);
    expect(report.problems).toMatchObject([{ code: 'MODEL_TENSOR_UNKNOWN' }]);
    expect(report.problems[0]!.message).toContain('ip_adapter.to_k.weight');
  });

  it("reports a folder that doesn't open, and one without a tokenizer", async () => {
    const model = await mkdtemp(join(folder, 'broken-'));
    await cp(TINY, model, { recursive: true });
    await rm(join(model, 'tokenizer'), { recursive: true });
    expect(await checkModel(model)).toMatchObject({ architecture: 'sdxl', ok: false, problems: [{}] });
    const bytes = await readFile(join(model, UNET));
    await writeFile(join(model, UNET), bytes.subarray(0, bytes.length - 100));
    expect(await checkModel(model)).toMatchObject({
      architecture: null,
      ok: false,
      problems: [{ code: 'SAFETENSORS_TRUNCATED' }],
    });
    await expect(checkModel(join(folder, 'none'))).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
  });
});

describe('SDXL base 1.0', () => {
  const count = (shapes: ParameterShape[]) =>
    shapes.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);

  it('has the parameters that its files have', () => {
    const unet = unetConfig('unet/config.json', SDXL_UNET);
    expect(count(unetParameters(unet))).toBe(2_567_463_684);
    const clip = { vocab_size: 49408, max_position_embeddings: 77 };
    const first = {
      ...clip,
      hidden_size: 768,
      intermediate_size: 3072,
      num_attention_heads: 12,
      num_hidden_layers: 12,
    };
    const second = {
      ...clip,
      hidden_size: 1280,
      intermediate_size: 5120,
      num_attention_heads: 20,
      num_hidden_layers: 32,
      projection_dim: 1280,
      hidden_act: 'gelu',
    };
    expect(count(clipParameters(clipTextConfig('text_encoder/config.json', first, false)))).toBe(123_060_480);
    expect(count(clipParameters(clipTextConfig('text_encoder_2/config.json', second, true)))).toBe(
      694_659_840,
    );
    const vae = vaeConfig('vae/config.json', {
      block_out_channels: [128, 256, 512, 512],
      down_block_types: Array(4).fill('DownEncoderBlock2D'),
      up_block_types: Array(4).fill('UpDecoderBlock2D'),
      layers_per_block: 2,
    });
    expect(count(vaeParameters(vae))).toBe(83_653_863);
  });
});
