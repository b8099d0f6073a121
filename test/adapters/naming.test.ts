import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { moduleNames, modulePath } from '../../gpu-worker/adapters/files/module-names.ts';
import { attentionProjections } from '../../gpu-worker/adapters/attention-projections.ts';
import { unetConfig } from '../../gpu-worker/models/model-configs.ts';
import { openModelFolder } from '../../gpu-worker/models/model-folder.ts';
import { SDXL_UNET } from '../helpers/sdxl-config.ts';

/** The parts of SDXL base 1.0's unet/config.json that say which projections it has. */
const SDXL = unetConfig('unet/config.json', SDXL_UNET);

describe('the projections of a UNet', () => {
  it("are 560 in SDXL, and A 4×64 has the paper's 3,874,560 parameters on them", () => {
    const projections = attentionProjections(SDXL);
    expect(projections).toHaveLength(560);
    expect(projections.reduce((n, p) => n + p.out * p.in, 0)).toBe(955_187_200);
    expect(projections.reduce((n, p) => n + 4 * 64 + (p.out / 4) * (p.in / 64), 0)).toBe(3_874_560);
  });

  it('match those of a diffusers folder, with the same shapes', async () => {
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
    const path = `${diffusers}.transformer_blocks.1.attn2.to_out.0`;
    expect(moduleNames([path], [2, 2, 2], 'ldm')(path)).toBe(
      `lora_unet_${original}_transformer_blocks_1_attn2_to_out_0`,
    );
  });

  it.each([[[1, 1, 1]], [[2, 2, 2]], [[3, 3, 3]], [[1, 2, 3]]])(
    'map back to the projection for %j ResNets a block',
    (layers) => {
      const config = { ...SDXL, layers_per_block: layers };
      const projections = attentionProjections(config);
      const nameOf = moduleNames(
        projections.map(({ path }) => path),
        layers,
        'ldm',
      );
      const names = projections.map(({ path }) => nameOf(path));
      expect(new Set(names).size).toBe(projections.length);
      expect(names.map((name) => modulePath(name, layers))).toEqual(projections.map(({ path }) => path));
      // The same modules by diffusers' own names.
      for (const { path } of projections)
        expect(modulePath(`lora_unet_${path.replaceAll('.', '_')}`, layers)).toBe(path);
    },
  );

  it('are never guessed', () => {
    for (const name of [
      'lora_unet_input_blocks_0_1_transformer_blocks_0_attn1_to_q',
      'transformer.blocks.0.attn1.to_q',
    ])
      expect(modulePath(name, [2, 2, 2])).toBeNull();
  });

  it.each([
    // Of the original checkpoints, where attention and upsamplers have these places.
    ['conv_in', 'input_blocks_0_0'],
    ['down_blocks.0.resnets.1.conv1', 'input_blocks_2_0_in_layers_2'],
    ['down_blocks.0.downsamplers.0.conv', 'input_blocks_3_0_op'],
    ['down_blocks.1.resnets.0.conv_shortcut', 'input_blocks_4_0_skip_connection'],
    ['mid_block.resnets.1.time_emb_proj', 'middle_block_2_emb_layers_1'],
    ['up_blocks.0.upsamplers.0.conv', 'output_blocks_2_2_conv'],
    ['up_blocks.2.resnets.2.conv2', 'output_blocks_8_0_out_layers_3'],
    ['add_embedding.linear_2', 'label_emb_0_2'],
    ['conv_out', 'out_2'],
    [
      'up_blocks.1.attentions.2.transformer_blocks.1.ff.net.0.proj',
      'output_blocks_5_1_transformer_blocks_1_ff_net_0_proj',
    ],
  ])('of every module of SDXL: %s is %s', (path, original) => {
    expect(moduleNames([path], [2, 2, 2], 'ldm')(path)).toBe(`lora_unet_${original}`);
    expect(modulePath(`lora_unet_${original}`, [2, 2, 2])).toBe(path);
  });

  it('of every module of a model map back to it, in both styles', async () => {
    const { unet, textEncoders } = await openModelFolder(
      join(import.meta.dirname, '../fixtures/sdxl-tiny/model'),
    );
    const paths = [unet, ...textEncoders].flatMap((part) =>
      [...part.tensors.keys()]
        .filter((name) => name.endsWith('.weight') && !name.includes('_embedding.weight'))
        .map((name) => (part === unet ? '' : `${part.name}.`) + name.replace('.weight', '')),
    );
    const layers = unet.config.layers_per_block;
    const ldm = moduleNames(paths, layers, 'ldm');
    expect(paths.map((path) => modulePath(ldm(path), layers))).toEqual(paths);
    expect(new Set(paths.map(ldm)).size).toBe(paths.length);
    // kohya's files for SD 1.x have one text encoder.
    const first = paths.filter((path) => !path.startsWith('text_encoder_2'));
    const diffusers = moduleNames(first, layers, 'diffusers');
    expect(first.map((path) => modulePath(diffusers(path), layers))).toEqual(first);
    // diffusers' own names, with dots.
    for (const path of paths)
      expect(modulePath(path.startsWith('text') ? path : `unet.${path}`, layers)).toBe(path);
  });

  const FC1 = 'text_model.encoder.layers.1.mlp.fc1';
  it.each([
    // PEFT with transformers 4 and 5; which encoder it is, its folder's config says.
    ['base_model.model.text_model.encoder.layers.1.mlp.fc1', `text_encoder.${FC1}`],
    ['base_model.model.encoder.layers.1.mlp.fc1', `text_encoder.${FC1}`],
    ['base_model.model.final_layer_norm', 'text_encoder.text_model.final_layer_norm'],
    ['base_model.model.text_projection', 'text_encoder.text_projection'],
    // ComfyUI.
    ['text_encoders.clip_l.transformer.text_model.encoder.layers.1.mlp.fc1', `text_encoder.${FC1}`],
    ['text_encoders.clip_h.transformer.text_model.encoder.layers.1.mlp.fc1', `text_encoder.${FC1}`],
    ['text_encoders.clip_g.transformer.text_model.encoder.layers.1.mlp.fc1', `text_encoder_2.${FC1}`],
    ['text_encoders.clip_g.transformer.text_projection', 'text_encoder_2.text_projection'],
    ['model.diffusion_model.input_blocks.0.0', 'conv_in'],
    ['model.diffusion_model.middle_block.1.proj_in', 'mid_block.attentions.0.proj_in'],
    // LyCORIS's own wrapper.
    ['lycoris_text_model_encoder_layers_1_mlp_fc1', `text_encoder.${FC1}`],
    ['lycoris_mid_block_attentions_0_proj_in', 'mid_block.attentions.0.proj_in'],
    // Of other models.
    ['text_encoders.t5xxl.transformer.encoder.block.0.layer.0.SelfAttention.q', null],
    ['base_model.model.encoder.layers.1.linear', null],
  ])('from other programs: %s', (name, path) => {
    expect(modulePath(name, [2, 2, 2])).toBe(path);
  });

  it('identify the upsampler of a block without attention by its position', () => {
    const paths = ['up_blocks.0.upsamplers.0.conv', 'up_blocks.0.resnets.0.conv1'];
    expect(moduleNames(paths, [2, 2, 2, 2], 'ldm')(paths[0]!)).toBe('lora_unet_output_blocks_2_1_conv');
  });
});
