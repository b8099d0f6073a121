/** @file Names of a VAE's parameters in original checkpoints (CompVis' diffusionmodules/model.py). */

const ATTENTION: Readonly<Record<string, string>> = {
  group_norm: 'norm',
  to_q: 'q',
  to_k: 'k',
  to_v: 'v',
  'to_out.0': 'proj_out',
};

/**
 * @param name as diffusers has it
 * @param levels of the VAE: the decoder's are counted from the finest there
 * @example originalVaeName('decoder.up_blocks.0.resnets.1.conv_shortcut.weight', 4) // 'decoder.up.3.block.1.nin_shortcut.weight'
 */
export function originalVaeName(name: string, levels: number): string {
  return name
    .replace('conv_norm_out', 'norm_out')
    .replace('conv_shortcut', 'nin_shortcut')
    .replace(/mid_block\.resnets\.(\d)/, (_, i: string) => `mid.block_${Number(i) + 1}`)
    .replace(
      /mid_block\.attentions\.0\.(group_norm|to_[qkv]|to_out\.0)/,
      (_, part: string) => `mid.attn_1.${ATTENTION[part]}`,
    )
    .replace(/down_blocks\.(\d+)/, 'down.$1')
    .replace(/up_blocks\.(\d+)/, (_, i: string) => `up.${levels - 1 - Number(i)}`)
    .replace(/\.resnets\.(\d+)/, '.block.$1')
    .replace(/\.(down|up)samplers\.0\./, '.$1sample.');
}
