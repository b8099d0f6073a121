import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkModel } from '../../gpu-worker/models/model-check.ts';
import {
  openSafetensors,
  readFloats,
  writeSafetensors,
  type TensorToWrite,
} from '../../gpu-worker/models/safetensors.ts';

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
  it('counts the parameters of a whole one', async () => {
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
      'unet: conv_in.weight is missing; expected shape [8, 4, 3, 3].',
      'unet: mid_block.attentions.0.proj_in.bias is missing; expected shape [24].',
      'unet: conv_out.weight has shape [4, 8, 1, 1]; the config needs [4, 8, 3, 3].',
    ]);
  });

  it('tells tensors that it has no use for, which stop nothing', async () => {
    const model = await spoiled((tensors) => {
      tensors.set('ip_adapter.to_k.weight', { dtype: 'F32', shape: [1], data: new Float32Array(1) });
    });
    const report = await checkModel(model);
    expect(report.ok).toBe(true);
    expect(report.problems).toMatchObject([{ code: 'MODEL_TENSOR_UNKNOWN' }]);
    expect(report.problems[0]!.message).toContain('ip_adapter.to_k.weight');
  });

  it('reports a folder that does not open, and one whose tokenizer is missing', async () => {
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
