/**
 * @file Names of a UNet's parameters in original checkpoints (CompVis' and Stability's openaimodel.py): one list of
 * input layers, where 0 is conv_in and a downsampler follows a block's layers, and one list of output layers, where an
 * upsampler belongs to its block's last layer. A layer's parts are numbered: resnet, attention, resampler.
 */
import { at } from '../../../core/at.ts';
import type { UNetConfig } from '../model-configs.ts';

const WHOLE: Readonly<Record<string, string>> = {
  'time_embedding.linear_1': 'time_embed.0',
  'time_embedding.linear_2': 'time_embed.2',
  'time_embedding.cond_proj': 'time_embed.cond_proj',
  'add_embedding.linear_1': 'label_emb.0.0',
  'add_embedding.linear_2': 'label_emb.0.2',
  conv_in: 'input_blocks.0.0',
  conv_norm_out: 'out.0',
  conv_out: 'out.2',
  'mid_block.resnets.0': 'middle_block.0',
  'mid_block.attentions.0': 'middle_block.1',
  'mid_block.resnets.1': 'middle_block.2',
};

const RESNET: Readonly<Record<string, string>> = {
  norm1: 'in_layers.0',
  conv1: 'in_layers.2',
  time_emb_proj: 'emb_layers.1',
  norm2: 'out_layers.0',
  conv2: 'out_layers.3',
  conv_shortcut: 'skip_connection',
};

/** A block or layer of the UNet, its inner path, and `weight` or `bias`. */
const PLACE = /^((?:down|up)_blocks\.\d+\.\w+\.\d+|mid_block\.\w+\.\d+|.*?)(?:\.(.+))?\.(\w+)$/;

/**
 * @param name as diffusers has it
 * @example originalUnetName('down_blocks.1.resnets.0.conv1.weight', sd15) // 'input_blocks.4.0.in_layers.2.weight'
 */
export function originalUnetName(name: string, config: UNetConfig): string {
  const [, site = '', inner = '', kind = ''] = PLACE.exec(name) ?? [];
  if (!/^(down|up|mid)_block/.test(site)) return `${WHOLE[name.slice(0, -kind.length - 1)]}.${kind}`;
  const parts = [WHOLE[site] ?? layerOf(site, config)];
  // Attentions have the same inner names; a resampler is a single convolution.
  if (site.includes('.resnets.')) parts.push(RESNET[inner] ?? inner);
  else if (site.includes('.attentions.')) parts.push(inner);
  return `${parts.join('.')}.${kind}`;
}

/** `up_blocks.1.upsamplers.0` → `output_blocks.5.2.conv` */
function layerOf(site: string, config: UNetConfig): string {
  const [side, block, what, layer] = site.split('.');
  const down = side === 'down_blocks';
  const counts = down ? config.layers_per_block : config.layers_per_block.toReversed();
  // On the way in, every block takes one more layer than it has resnets.
  const first = counts.slice(0, Number(block)).reduce((sum, count) => sum + count + 1, down ? 1 : 0);
  const last = first + at(counts, Number(block));
  switch (what) {
    case 'downsamplers':
      return `input_blocks.${last}.0.op`;
    case 'upsamplers':
      return `output_blocks.${last}.${config.up_block_types[Number(block)] === 'CrossAttnUpBlock2D' ? 2 : 1}.conv`;
    default:
      return `${down ? 'input' : 'output'}_blocks.${first + Number(layer)}.${what === 'resnets' ? 0 : 1}`;
  }
}
