/** @file The projections that adapters change by default. */
import { at } from '../../core/at.ts';
import type { ProjectionShape } from '../../core/settings/model-card.ts';
import { unetLevels, unetMiddle, type UNetConfig } from '../models/model-configs.ts';

const PROJECTIONS = ['to_q', 'to_k', 'to_v', 'to_out.0'] as const;

/**
 * The projections q, k, v and out of every attention of a UNet, by path as in diffusers, in the order of the forward
 * pass. Each is a matrix [out, in]; those of k and v in cross-attention read the text states.
 */
export function attentionProjections(config: UNetConfig): ProjectionShape[] {
  const levels = unetLevels(config);
  const attention = (path: string, width: number, transformers: number): ProjectionShape[] =>
    Array.from({ length: transformers }, (_, t) => `${path}.transformer_blocks.${t}`).flatMap((transformer) =>
      ['attn1', 'attn2'].flatMap((attn) =>
        PROJECTIONS.map((projection) => {
          const readsText = attn === 'attn2' && (projection === 'to_k' || projection === 'to_v');
          return {
            path: `${transformer}.${attn}.${projection}`,
            out: width,
            in: readsText ? config.cross_attention_dim : width,
          };
        }),
      ),
    );
  const attentions = (path: string, width: number, depths: readonly number[] | null) =>
    (depths ?? []).flatMap((transformers, i) => attention(`${path}.attentions.${i}`, width, transformers));
  return [
    ...levels.flatMap(({ width, attentionsDown }, b) =>
      attentions(`down_blocks.${b}`, width, attentionsDown),
    ),
    ...attention('mid_block.attentions.0', at(levels, -1).width, unetMiddle(config).transformers),
    ...levels
      .toReversed()
      .flatMap(({ width, attentionsUp, pathUp }) => attentions(pathUp, width, attentionsUp)),
  ];
}
