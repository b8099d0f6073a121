/**
 * @file Names of the projections that adapters change: as in diffusers (`down_blocks.1.attentions.0…`, used
 * everywhere inside Krona), and as adapter files of other programs spell them.
 */
import type { ProjectionShape } from '../../core/settings/model-card.ts';
import type { UNetConfig } from '../models/model-configs.ts';
import { moduleNames, modulePath } from './module-names.ts';
import type { BlockLayers } from './unet-layers.ts';

export type { BlockLayers } from './unet-layers.ts';

const PROJECTIONS = ['to_q', 'to_k', 'to_v', 'to_out.0'] as const;

/**
 * The projections q, k, v and out of every attention of a UNet, in the order of the forward pass.
 * Each is a matrix [out, in]; those of k and v in cross-attention read the text states.
 */
export function attentionProjections(config: UNetConfig): ProjectionShape[] {
  const projections: ProjectionShape[] = [];
  const add = (attention: string, width: number, depth: number) => {
    for (let t = 0; t < depth; t++)
      for (const attn of ['attn1', 'attn2'])
        for (const projection of PROJECTIONS) {
          const readsText = attn === 'attn2' && (projection === 'to_k' || projection === 'to_v');
          projections.push({
            path: `${attention}.transformer_blocks.${t}.${attn}.${projection}`,
            out: width,
            in: readsText ? config.cross_attention_dim : width,
          });
        }
  };
  const widths = config.block_out_channels;
  const depths = config.transformer_layers_per_block;
  const last = widths.length - 1;
  config.down_block_types.forEach((type, b) => {
    if (type !== 'CrossAttnDownBlock2D') return;
    for (let i = 0; i < config.layers_per_block[b]!; i++)
      add(`down_blocks.${b}.attentions.${i}`, widths[b]!, depths[b]!);
  });
  add('mid_block.attentions.0', widths[last]!, depths[last]!);
  config.up_block_types.forEach((type, b) => {
    if (type !== 'CrossAttnUpBlock2D') return;
    for (let i = 0; i <= config.layers_per_block[last - b]!; i++)
      add(`up_blocks.${b}.attentions.${i}`, widths[last - b]!, depths[last - b]!);
  });
  return projections;
}

/**
 * The name that SDXL's original code, and with it kohya's trainer, ComfyUI and the web UIs, give a projection:
 * attention is part 1 of a layer there (unet-layers.ts says how layers are counted).
 *
 * @example kohyaName('mid_block.attentions.0.transformer_blocks.0.attn1.to_q', [2, 2, 2])
 *   // 'lora_unet_middle_block_1_transformer_blocks_0_attn1_to_q'
 */
export function kohyaName(path: string, layers: BlockLayers): string {
  return moduleNames([path], layers, 'ldm')(path);
}

/**
 * The diffusers path of an attention projection named in any known way (see modulePath); null for anything else.
 */
export function projectionPath(name: string, layers: BlockLayers): string | null {
  const path = modulePath(name, layers);
  return path !== null && isProjection(path) ? path : null;
}

/** Whether a path is that of a projection q, k, v or out of a UNet's attention. */
export function isProjection(path: string): boolean {
  return /\.attn[12]\.to_(?:[qkv]|out\.0)$/.test(path);
}
