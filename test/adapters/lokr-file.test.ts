import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inspectAdapter } from '../../gpu-worker/adapters/files/inspect.ts';
import type { AdapterBase } from '../../gpu-worker/adapters/files/adapter-base.ts';
import { adapterInfo, type AdapterInfo } from '../../gpu-worker/adapters/files/adapter-info.ts';
import { readAdapter } from '../../gpu-worker/adapters/files/read-adapter.ts';
import { writeAdapter } from '../../gpu-worker/adapters/files/write-adapter.ts';
import { layersOfClass } from '../../gpu-worker/adapters/forms/form.ts';
import { KroneckerLayer } from '../../gpu-worker/adapters/forms/kronecker.ts';
import { attentionProjections } from '../../gpu-worker/adapters/attention-projections.ts';
import { openModelFolder, type ModelFolder } from '../../gpu-worker/models/model-folder.ts';
import {
  openSafetensors,
  writeSafetensors,
  type TensorToWrite,
} from '../../gpu-worker/models/safetensors.ts';

const TINY = join(import.meta.dirname, '../fixtures/sdxl-tiny/model');

let folder: string;
let model: ModelFolder;
let base: AdapterBase;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'krona-lokr-'));
  model = await openModelFolder(TINY);
  const { name, unet } = model;
  base = { name, layers: unet.config.layers_per_block, projections: attentionProjections(unet.config) };
});
afterAll(() => rm(folder, { recursive: true }));

const info: AdapterInfo = {
  baseModel: 'sdxl-tiny',
  baseHash: 'abc',
  a1: 4,
  a2: 2,
  subjectToken: 'sks',
  subjectClass: 'cat',
  steps: 20,
  seed: 7,
  resolution: 64,
  predictionType: 'epsilon',
  settings: { lr: 0.002, batch: 1 },
};

/** Factors 4×2 for every projection, each with its own numbers. */
function factors(): Map<string, KroneckerLayer> {
  const layers = new Map<string, KroneckerLayer>();
  let next = 1;
  const fill = (length: number) => Float32Array.from({ length }, () => Math.sin(next++));
  for (const { path, out, in: input } of base.projections) {
    const [b1, b2] = [out / 4, input / 2];
    layers.set(path, new KroneckerLayer({ a1: 4, a2: 2, b1, b2 }, fill(8), fill(b1 * b2)));
  }
  return layers;
}

/** A file's layers, all of which are Kronecker products. */
async function readLokr(path: string, of: AdapterBase) {
  const { layers, metadata } = await readAdapter(path, of);
  return { layers: layersOfClass(layers, KroneckerLayer), metadata };
}

let files = 0;
async function fileWith(tensors: Iterable<[string, TensorToWrite]>, metadata?: Map<string, string>) {
  const path = join(folder, `adapter-${files++}.safetensors`);
  await writeSafetensors(path, new Map(tensors), metadata);
  return path;
}
const matrix = (rows: number, columns: number, data?: number[]): TensorToWrite => ({
  dtype: 'F32',
  shape: [rows, columns],
  data: data === undefined ? new Float32Array(rows * columns).fill(1) : new Float32Array(data),
});

describe('writing and reading an adapter', () => {
  it('gives back the same factors and metadata', async () => {
    const path = join(folder, 'mochi.safetensors');
    const layers = factors();
    await writeAdapter(path, layers, model, info);
    const read = await readLokr(path, base);
    expect(read.layers).toEqual(layers);
    expect(adapterInfo(read.metadata)).toEqual(info);
  });

  it('names tensors as ComfyUI, the web UIs and LyCORIS know them, with an alpha that means scale 1', async () => {
    const path = join(folder, 'names.safetensors');
    const layers = factors();
    await writeAdapter(path, layers, model, info);
    const { tensors, metadata } = await openSafetensors(path);
    const key = 'lora_unet_input_blocks_3_1_transformer_blocks_0_attn1_to_out_0';
    expect(tensors.get(`${key}.lokr_w1`)!.shape).toEqual([4, 2]);
    expect(tensors.get(`${key}.lokr_w2`)!.shape).toEqual([4, 8]);
    expect(tensors.get(`${key}.alpha`)).toMatchObject({ dtype: 'F32', shape: [] });
    expect(tensors.size).toBe(layers.size * 3);
    // What AUTOMATIC1111 and InvokeAI look at to tell the architecture.
    expect(metadata.get('ss_base_model_version')).toMatch(/^sdxl_/);
    expect(metadata.get('format')).toBe('pt');
    expect(JSON.parse(metadata.get('ss_network_args')!)).toMatchObject({ algo: 'lokr', full_matrix: 'True' });
  });

  it('omits alpha where B has fewer rows than A, because a loader would divide by 0', async () => {
    const path = join(folder, 'flat.safetensors');
    const { path: module } = base.projections[0]!;
    const sides = { a1: 8, a2: 8, b1: 2, b2: 2 };
    const one = new KroneckerLayer(sides, new Float32Array(64), new Float32Array(4));
    await writeAdapter(path, new Map([[module, one]]), model, { ...info, a1: 8, a2: 8 });
    const { tensors } = await openSafetensors(path);
    expect([...tensors.keys()].filter((key) => key.endsWith('.alpha'))).toEqual([]);
    expect((await readLokr(path, base)).layers.get(module)).toEqual(one);
  });

  it('writes the same bytes for the same adapter', async () => {
    const paths = [join(folder, 'x1.safetensors'), join(folder, 'x2.safetensors')] as const;
    await writeAdapter(paths[0], factors(), model, info);
    await writeAdapter(paths[1], new Map([...factors()].reverse()), model, info);
    expect((await readFile(paths[0])).equals(await readFile(paths[1]))).toBe(true);
  });

  it('takes half the space in 16 bits', async () => {
    const path = join(folder, 'half.safetensors');
    const layers = factors();
    await writeAdapter(path, layers, model, info, 'F16');
    const read = await readLokr(path, base);
    for (const [module, { a }] of layers)
      read.layers.get(module)!.a.forEach((value, i) => expect(value).toBeCloseTo(a[i]!, 3));
  });

  it('can be inspected without the model', async () => {
    const path = join(folder, 'inspected.safetensors');
    const layers = factors();
    await writeAdapter(path, layers, model, info);
    const report = await inspectAdapter(path);
    let parameters = 0;
    for (const { a, b } of layers.values()) parameters += a.length + b.length;
    expect(report).toMatchObject({
      format: 'lokr',
      method: 'krona',
      parameters,
      factors: { a1: 4, a2: 2 },
      base: { model: 'sdxl-tiny', version: 'sdxl_base_v1-0', hash: 'abc' },
    });
    expect([...report.targets].sort()).toEqual([...layers.keys()].sort());
    expect(report.metadata['krona.subject_class']).toBe('cat');
  });
});

describe('files from other programs', () => {
  const module = 'mid_block.attentions.0.transformer_blocks.0.attn1.to_out.0'; // 24 × 24

  it.each([
    'lora_unet_middle_block_1_transformer_blocks_0_attn1_to_out_0',
    'lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_out_0',
    'lycoris_mid_block_attentions_0_transformer_blocks_0_attn1_to_out_0',
    'base_model.model.mid_block.attentions.0.transformer_blocks.0.attn1.to_out.0',
    'unet.mid_block.attentions.0.transformer_blocks.0.attn1.processor.to_out',
    'diffusion_model.middle_block.1.transformer_blocks.0.attn1.to_out.0',
  ])('are read by their names: %s', async (name) => {
    const path = await fileWith([
      [`${name}.lokr_w1`, matrix(2, 4)],
      [`${name}.lokr_w2`, matrix(12, 6)],
    ]);
    expect([...(await readLokr(path, base)).layers.keys()]).toEqual([module]);
  });

  it('can have any alpha with whole factors, even infinity, without effect', async () => {
    const name = 'lora_unet_middle_block_1_transformer_blocks_0_attn1_to_out_0';
    const path = await fileWith([
      [`${name}.lokr_w1`, matrix(2, 2, [1, 2, 3, 4])],
      [`${name}.lokr_w2`, matrix(12, 12)],
      [`${name}.alpha`, { dtype: 'F16', shape: [], data: new Float32Array([1e10]) }],
    ]);
    const { a } = (await readLokr(path, base)).layers.get(module)!;
    expect([...a]).toEqual([1, 2, 3, 4]);
  });

  it('can have low-rank factors, scaled by alpha/rank', async () => {
    const name = 'lora_unet_middle_block_1_transformer_blocks_0_attn1_to_out_0';
    const path = await fileWith([
      [`${name}.lokr_w1`, matrix(2, 2, [1, 2, 3, 4])],
      [
        `${name}.lokr_w2_a`,
        matrix(
          12,
          2,
          Array.from({ length: 24 }, (_, i) => i),
        ),
      ],
      [
        `${name}.lokr_w2_b`,
        matrix(
          2,
          12,
          Array.from({ length: 24 }, (_, i) => (i < 12 ? 1 : 10)),
        ),
      ],
      [`${name}.alpha`, { dtype: 'F32', shape: [], data: new Float32Array([1]) }],
    ]);
    const { a, b, b1, b2 } = (await readLokr(path, base)).layers.get(module)!;
    expect([...a]).toEqual([0.5, 1, 1.5, 2]);
    expect([b1, b2]).toEqual([12, 12]);
    expect(b[0]).toBe(0 * 1 + 1 * 10);
    expect(b[12]).toBe(2 * 1 + 3 * 10);
  });

  it('are refused when made for other widths; the error names both', async () => {
    const name = 'lora_unet_middle_block_1_transformer_blocks_0_attn1_to_q';
    const path = await fileWith(
      [
        [`${name}.lokr_w1`, matrix(4, 4)],
        [`${name}.lokr_w2`, matrix(320, 320)],
      ],
      new Map([['ss_sd_model_name', 'sd_xl_base_1.0']]),
    );
    await expect(readLokr(path, base)).rejects.toMatchObject({
      code: 'ADAPTER_BASE_MISMATCH',
      message: expect.stringMatching(
        /another model \(sd_xl_base_1\.0\).*mid_block.*4×4 ⊗ 320×320 = 1280×1280, which in model is 24×24/,
      ) as string,
    });
  });

  it('are refused when they change unsupported modules; the error names them', async () => {
    const path = await fileWith([
      ['lora_te1_text_model_encoder_layers_0_mlp_fc1.lokr_w1', matrix(2, 2)],
      ['lora_te1_text_model_encoder_layers_0_mlp_fc1.lokr_w2', matrix(2, 2)],
    ]);
    await expect(readLokr(path, base)).rejects.toMatchObject({
      code: 'ADAPTER_TARGETS_UNSUPPORTED',
      message: expect.stringContaining('lora_te1_text_model_encoder_layers_0_mlp_fc1') as string,
    });
  });

  const name = 'lora_unet_middle_block_1_transformer_blocks_0_attn1_to_q';
  it.each<[string, [string, TensorToWrite][], string]>([
    ['lack a factor', [[`${name}.lokr_w1`, matrix(4, 4)]], 'ADAPTER_INVALID'],
    [
      'have a factor twice over',
      [
        [`${name}.lokr_w1`, matrix(2, 2)],
        [`${name}.lokr_w2`, matrix(12, 12)],
        [`${name}.lokr_w2_a`, matrix(12, 1)],
        [`${name}.lokr_w2_b`, matrix(1, 12)],
      ],
      'ADAPTER_INVALID',
    ],
    [
      'have a factor that is no matrix',
      [
        [`${name}.lokr_w1`, { ...matrix(4, 4), shape: [4, 2, 2] }],
        [`${name}.lokr_w2`, matrix(6, 6)],
      ],
      'ADAPTER_INVALID',
    ],
    [
      'use DoRA',
      [
        [`${name}.lokr_w1`, matrix(2, 2)],
        [`${name}.lokr_w2`, matrix(12, 12)],
        [`${name}.dora_scale`, matrix(24, 1)],
      ],
      'ADAPTER_TARGETS_UNSUPPORTED',
    ],
    [
      'name a projection twice',
      [
        [`${name}.lokr_w1`, matrix(2, 2)],
        [`${name}.lokr_w2`, matrix(12, 12)],
        ['lycoris_mid_block_attentions_0_transformer_blocks_0_attn1_to_q.lokr_w1', matrix(2, 2)],
        ['lycoris_mid_block_attentions_0_transformer_blocks_0_attn1_to_q.lokr_w2', matrix(12, 12)],
      ],
      'ADAPTER_INVALID',
    ],
  ])('are refused when they %s', async (_, tensors, code) => {
    await expect(readLokr(await fileWith(tensors), base)).rejects.toMatchObject({ code });
  });

  it('are refused when they are not adapters; the error says what they are', async () => {
    await expect(inspectAdapter(join(TINY, 'vae/diffusion_pytorch_model.safetensors'))).rejects.toMatchObject(
      { code: 'ADAPTER_FORMAT_UNSUPPORTED' },
    );
  });
});
