import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { attentionProjections, kohyaName, projectionPath } from '../../gpu-worker/adapters/naming.ts';
import { unetConfig } from '../../gpu-worker/models/model-configs.ts';
import { openModelFolder } from '../../gpu-worker/models/model-folder.ts';

/** The parts of SDXL base 1.0's unet/config.json that say which projections it has. */
const SDXL = unetConfig('unet/config.json', {
  sample_size: 128,
  block_out_channels: [320, 640, 1280],
  down_block_types: ['DownBlock2D', 'CrossAttnDownBlock2D', 'CrossAttnDownBlock2D'],
  up_block_types: ['CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'UpBlock2D'],
  transformer_layers_per_block: [1, 2, 10],
  attention_head_dim: [5, 10, 20],
  cross_attention_dim: 2048,
  addition_embed_type: 'text_time',
  addition_time_embed_dim: 256,
  projection_class_embeddings_input_dim: 2816,
});

describe('the projections of a UNet', () => {
  it('are 560 in SDXL, and A 4×64 over them has the 3,874,560 parameters of the paper', () => {
    const projections = attentionProjections(SDXL);
    expect(projections).toHaveLength(560);
    expect(projections.reduce((n, p) => n + p.out * p.in, 0)).toBe(955_187_200);
    expect(projections.reduce((n, p) => n + 4 * 64 + (p.out / 4) * (p.in / 64), 0)).toBe(3_874_560);
  });

  it('are those that a folder of diffusers has, with the same shapes', async () => {
    const { unet } = await openModelFolder(join(import.meta.dirname, '../fixtures/sdxl-tiny/model'));
    const inFile = [...unet.tensors]
      .filter(([name]) => /\.attn[12]\.to_(q|k|v|out\.0)\.weight$/.test(name))
      .map(([name, { shape }]) => ({ path: name.replace(/\.weight$/, ''), out: shape[0], in: shape[1] }));
    const byPath = (a: { path: string }, b: { path: string }) => (a.path < b.path ? -1 : 1);
    expect(attentionProjections(unet.config).sort(byPath)).toEqual(inFile.sort(byPath));
  });
});

describe('names in adapter files', () => {
  it.each([
    ['down_blocks.1.attentions.0', 'input_blocks_4_1'],
    ['down_blocks.1.attentions.1', 'input_blocks_5_1'],
    ['down_blocks.2.attentions.0', 'input_blocks_7_1'],
    ['down_blocks.2.attentions.1', 'input_blocks_8_1'],
    ['mid_block.attentions.0', 'middle_block_1'],
    ['up_blocks.0.attentions.0', 'output_blocks_0_1'],
    ['up_blocks.0.attentions.2', 'output_blocks_2_1'],
    ['up_blocks.1.attentions.0', 'output_blocks_3_1'],
    ['up_blocks.1.attentions.2', 'output_blocks_5_1'],
  ])('are those of the original SDXL code: %s is %s', (diffusers, original) => {
    expect(kohyaName(`${diffusers}.transformer_blocks.1.attn2.to_out.0`, [2, 2, 2])).toBe(
      `lora_unet_${original}_transformer_blocks_1_attn2_to_out_0`,
    );
  });

  it.each([[[1, 1, 1]], [[2, 2, 2]], [[3, 3, 3]], [[1, 2, 3]]])(
    'lead back to the projection for %j ResNets a block',
    (layers) => {
      const config = { ...SDXL, layers_per_block: layers };
      const projections = attentionProjections(config);
      const names = projections.map(({ path }) => kohyaName(path, layers));
      expect(new Set(names).size).toBe(projections.length);
      expect(names.map((name) => projectionPath(name, layers))).toEqual(projections.map(({ path }) => path));
      // The same modules by diffusers' own names.
      for (const { path } of projections)
        expect(projectionPath(`lora_unet_${path.replaceAll('.', '_')}`, layers)).toBe(path);
    },
  );

  it('are not guessed at', () => {
    for (const name of [
      'lora_unet_input_blocks_4_1_proj_in',
      'lora_unet_input_blocks_4_1_transformer_blocks_0_ff_net_2',
      'lora_te1_text_model_encoder_layers_0_self_attn_q_proj',
      'lora_unet_input_blocks_0_1_transformer_blocks_0_attn1_to_q',
      'transformer.blocks.0.attn1.to_q',
    ])
      expect(projectionPath(name, [2, 2, 2])).toBeNull();
  });
});
