/**
 * @file Names of the projections that adapters change: as in diffusers (`down_blocks.1.attentions.0…`, used
 * everywhere inside Krona), and as adapter files of other programs spell them.
 */
import type { ProjectionShape } from '../../storage/settings.ts';
import type { UNetConfig } from '../models/model-configs.ts';

/** How a UNet's ResNets and attentions are counted; all that translating names takes. */
export type BlockLayers = readonly number[];

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
 * The name that SDXL's original code, and with it kohya's trainer, ComfyUI and the web UIs, give a projection.
 * There the UNet is one list of layers on the way in (0 is conv_in; a block's ResNets with their attentions, then
 * its downsampler) and one on the way out (upsamplers belong to the layer before), attention is part 1 of a layer:
 * with L layers a block, `down_blocks.b.attentions.i` → `input_blocks.((L+1)·b+i+1).1` and
 * `up_blocks.b.attentions.i` → `output_blocks.((L+1)·b+i).1`.
 *
 * @example kohyaName('mid_block.attentions.0.transformer_blocks.0.attn1.to_q', [2, 2, 2])
 *   // 'lora_unet_middle_block_1_transformer_blocks_0_attn1_to_q'
 */
export function kohyaName(path: string, layers: BlockLayers): string {
  const match = /^(down|mid|up)_block(?:s\.(\d+))?\.attentions\.(\d+)\.(.*)$/.exec(path);
  if (match === null) throw new Error(`no attention projection: ${path}`);
  const [, side, block, attention, rest] = match as unknown as [string, string, string, string, string];
  const i = Number(attention);
  const layer =
    side === 'down'
      ? `input_blocks_${1 + layersBefore(Number(block), layers) + i}`
      : side === 'up'
        ? `output_blocks_${layersBefore(Number(block), layers.toReversed()) + i}`
        : 'middle_block';
  return `lora_unet_${layer}_1_${rest.replaceAll('.', '_')}`;
}

/** Prefixes before a UNet module's name; more than one may stand there. */
const PREFIX = /^(?:base_model[._]model[._]|diffusion_model[._]|lora_unet_|lycoris_|unet[._])+/;
const PROJECTION =
  /^(?:(?<side>down|up)_blocks_(?<block>\d+)_attentions_(?<attention>\d+)|(?<way>input|output)_blocks_(?<layer>\d+)_1|mid_block_attentions_0|middle_block_1)_transformer_blocks_(?<t>\d+)_(?<attn>attn[12])_(?:processor_)?(?<projection>to_[qkv]|to_out)(?:_0)?$/;

/**
 * The diffusers path of a projection named in any known way: with `.` or `_` between the words, by diffusers'
 * or the original names, after any of the prefixes that trainers put in front. null for anything else.
 */
export function projectionPath(name: string, layers: BlockLayers): string | null {
  const words = PROJECTION.exec(name.replace(PREFIX, '').replaceAll('.', '_'))?.groups;
  if (words === undefined) return null;
  const { side, block, attention, way, layer, t, attn, projection } = words;
  let site: string | null = 'mid_block.attentions.0';
  if (side !== undefined) site = `${side}_blocks.${block}.attentions.${attention}`;
  else if (way === 'input') site = siteAt('down', Number(layer) - 1, layers);
  else if (way === 'output') site = siteAt('up', Number(layer), layers.toReversed());
  if (site === null) return null;
  const tail = projection === 'to_out' ? 'to_out.0' : projection;
  return `${site}.transformer_blocks.${t}.${attn}.${tail}`;
}

/** Layers of the original list that the first `block` blocks take: each has one more than ResNets on the way in. */
function layersBefore(block: number, layers: BlockLayers): number {
  return layers.slice(0, block).reduce((sum, count) => sum + count + 1, 0);
}

function siteAt(side: 'down' | 'up', layer: number, layers: BlockLayers): string | null {
  for (let block = layers.length - 1; block >= 0; block--) {
    const first = layersBefore(block, layers);
    if (layer >= first) return `${side}_blocks.${block}.attentions.${layer - first}`;
  }
  return null;
}
