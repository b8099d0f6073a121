/**
 * @file How the original code of SD and SDXL counts a UNet's layers: one list of the down blocks (0 is conv_in; a block's
 * ResNets with their attentions, then its downsampler) and one of the up blocks (upsamplers belong to the layer before).
 * With L layers a block, `down_blocks.b.….i` → `input_blocks.((L+1)·b+i+1)`, `up_blocks.b.….i` → `output_blocks.((L+1)·b+i)`.
 */

/** layers_per_block of a UNet, which is enough to translate names. */
export type BlockLayers = readonly number[];

/** Layers of the original list in the first `block` blocks: each down block has one more than ResNets. */
export function layersBefore(block: number, layers: BlockLayers): number {
  return layers.slice(0, block).reduce((sum, count) => sum + count + 1, 0);
}

/** Block of a layer of the original list, and place in the block (down blocks count after conv_in); null if there is none. */
export function siteAt(
  layer: number,
  layers: BlockLayers,
): { readonly block: number; readonly index: number } | null {
  for (let block = layers.length - 1; block >= 0; block--) {
    const first = layersBefore(block, layers);
    if (layer >= first) return { block, index: layer - first };
  }
  return null;
}
