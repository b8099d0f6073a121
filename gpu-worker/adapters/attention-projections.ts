/** @file The projections that adapters change by default. */
import { at } from '../../core/at.ts';
import type { ProjectionShape } from '../../core/settings/model-card.ts';
import type { UNetConfig } from '../models/model-configs.ts';

const PROJECTIONS = ['to_q', 'to_k', 'to_v', 'to_out.0'] as const;

/**
 * The projections q, k, v and out of every attention of a UNet, by path as in diffusers, in the order of the forward
 * pass. Each is a matrix [out, in]; those of k and v in cross-attention read the text states.
 */
export function attentionProjections(config: UNetConfig): ProjectionShape[] {
  const widths = config.block_out_channels;
  const depths = config.transformer_layers_per_block;
  const last = widths.length - 1;
  const attention = (path: string, block: number): ProjectionShape[] =>
    Array.from({ length: at(depths, block) }, (_, t) => `${path}.transformer_blocks.${t}`).flatMap(
      (transformer) =>
        ['attn1', 'attn2'].flatMap((attn) =>
          PROJECTIONS.map((projection) => {
            const readsText = attn === 'attn2' && (projection === 'to_k' || projection === 'to_v');
            const width = at(widths, block);
            return {
              path: `${transformer}.${attn}.${projection}`,
              out: width,
              in: readsText ? config.cross_attention_dim : width,
            };
          }),
        ),
    );
  const attentions = (path: string, block: number, count: number): ProjectionShape[] =>
    Array.from({ length: count }, (_, i) => attention(`${path}.attentions.${i}`, block)).flat();
  return [
    ...config.down_block_types.flatMap((type, b) =>
      type === 'CrossAttnDownBlock2D'
        ? attentions(`down_blocks.${b}`, b, at(config.layers_per_block, b))
        : [],
    ),
    ...attentions('mid_block', last, 1),
    ...config.up_block_types.flatMap((type, b) =>
      type === 'CrossAttnUpBlock2D'
        ? attentions(`up_blocks.${b}`, last - b, at(config.layers_per_block, last - b) + 1)
        : [],
    ),
  ];
}
