/**
 * @file Tells from a single file's tensor names how its UNet is built. Distilled models (BK-SDM, SSD-1B, Vega, KOALA, LCM)
 * keep the widths and text encoders of SD or SDXL, but have fewer layers, shallower attention or one more input. UNets for
 * inpainting have more input channels.
 */
import { at } from '../../../core/at.ts';
import { unetConfig, unetLevels, unetMiddle, type UNetConfig } from '../model-configs.ts';
import type { SafetensorsFile } from '../safetensors.ts';
import { UNET_PREFIX } from './architectures.ts';

type JsonObject = Readonly<Record<string, unknown>>;

/** A UNet's blocks; in `down` and `up`, transformer blocks of each layer's attention, 0 for none. */
interface Shape {
  readonly widths: readonly number[];
  /** From the finest level. */
  readonly down: readonly (readonly number[])[];
  /** From the lowest level. */
  readonly up: readonly (readonly number[])[];
  readonly middle: { readonly resnets: number; readonly transformers: number };
  /** Width of the embedded guidance scale, 0 for none. */
  readonly guidance: number;
  /** Channels of its input. */
  readonly input: number;
}

/**
 * The fields of unet/config.json by which a file's UNet differs from its family's: none if it is the same, or if its
 * blocks are not those of a UNet, which the check of its tensors then says.
 *
 * @param family config of the plain model
 */
export function unetChanges(file: SafetensorsFile, family: JsonObject): JsonObject {
  const plain = unetConfig('the UNet', family);
  const found = shapeOf(file);
  if (found === null || JSON.stringify(found) === JSON.stringify(shapeOfConfig(plain))) return {};
  return configOf(found, family) ?? {};
}

function shapeOfConfig(config: UNetConfig): Shape {
  const levels = unetLevels(config);
  const none = (layers: number): number[] => new Array<number>(layers).fill(0);
  return {
    widths: levels.map(({ width }) => width),
    down: levels.map(({ attentionsDown, layers }) => attentionsDown ?? none(layers)),
    up: levels.toReversed().map(({ attentionsUp, layers }) => attentionsUp ?? none(layers + 1)),
    middle: unetMiddle(config),
    guidance: config.time_cond_proj_dim ?? 0,
    input: config.in_channels,
  };
}

function shapeOf({ tensors }: SafetensorsFile): Shape | null {
  const side = (name: string, index: number): number | undefined =>
    tensors.get(UNET_PREFIX + name)?.shape[index];
  const depth = (layer: string): number => {
    let count = 0;
    while (side(`${layer}.1.transformer_blocks.${count}.norm1.weight`, 0) !== undefined) count++;
    return count;
  };
  const widths: number[] = [];
  const down: number[][] = [[]];
  for (let n = 1; ; n++) {
    const layer = `input_blocks.${n}`;
    const width = side(`${layer}.0.out_layers.3.weight`, 0);
    if (width !== undefined) {
      widths[down.length - 1] = width;
      at(down, -1).push(depth(layer));
    } else if (side(`${layer}.0.op.weight`, 0) !== undefined) down.push([]);
    else break;
  }
  const up: number[][] = [[]];
  for (let n = 0; side(`output_blocks.${n}.0.out_layers.3.weight`, 0) !== undefined; n++) {
    const layer = `output_blocks.${n}`;
    at(up, -1).push(depth(layer));
    if ([1, 2].some((part) => side(`${layer}.${part}.conv.weight`, 0) !== undefined)) up.push([]);
  }
  const middles = [0, 2].filter((part) => side(`middle_block.${part}.out_layers.3.weight`, 0) !== undefined);
  const middle = { resnets: middles.length, transformers: depth('middle_block') };
  const fits = up.length === down.length && up.every((own, i) => own.length === at(down, -1 - i).length + 1);
  const guidance = side('time_embed.cond_proj.weight', 1) ?? 0;
  return fits ? { widths, down, up, middle, guidance, input: side('input_blocks.0.0.weight', 1) ?? 0 } : null;
}

/** The fields of a config for these blocks; null if none stands for them. */
function configOf(shape: Shape, family: JsonObject): JsonObject | null {
  const { widths, down, up, middle, guidance, input } = shape;
  const partly = (depths: readonly number[]): boolean => depths.includes(0) && depths.some((n) => n > 0);
  if ([...down, ...up].some(partly)) return null;
  const attends = (depths: readonly number[]): boolean => at(depths, 0) > 0;
  // The middle has the depth of the last block, which doesn't use it where it has no attention of its own.
  const unused = Math.max(1, middle.transformers);
  const lowest = attends(at(down, -1)) ? at(at(down, -1), 0) : unused;
  if (middle.transformers !== (middle.resnets === 2 ? lowest : 0)) return null;
  // A single number where all attentions of a block agree.
  const depthOf = (depths: readonly number[]) =>
    !attends(depths) ? unused : new Set(depths).size === 1 ? at(depths, 0) : depths;
  const mirrored = up.every((depths, i) => {
    const below = at(down, -1 - i);
    return !attends(depths) || (new Set([...depths, ...below]).size === 1 && attends(below));
  });
  const heads = family['attention_head_dim'];
  const each = Array.isArray(heads) ? at(widths, 0) / Number(heads[0]) : null;
  return {
    in_channels: input,
    block_out_channels: widths,
    layers_per_block: down.map((depths) => depths.length),
    down_block_types: down.map((depths) => (attends(depths) ? 'CrossAttnDownBlock2D' : 'DownBlock2D')),
    up_block_types: up.map((depths) => (attends(depths) ? 'CrossAttnUpBlock2D' : 'UpBlock2D')),
    transformer_layers_per_block: down.map(depthOf),
    ...(mirrored ? {} : { reverse_transformer_layers_per_block: up.map(depthOf) }),
    ...(middle.resnets === 2 ? {} : { mid_block_type: middle.resnets === 1 ? 'UNetMidBlock2D' : null }),
    ...(each === null ? {} : { attention_head_dim: widths.map((width) => width / each) }),
    ...(guidance === 0 ? {} : { time_cond_proj_dim: guidance }),
  };
}
