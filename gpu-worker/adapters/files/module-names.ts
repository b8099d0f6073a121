/**
 * @file The names of a model's modules in adapter files, and the module that any such name means. Inside Krona a UNet's
 * module has diffusers' path (`mid_block.resnets.0.conv1`), a text encoder's follows its folder
 * (`text_encoder.text_model.encoder.layers.0.mlp.fc1`).
 */
import { layersBefore, siteAt, type BlockLayers } from './unet-layers.ts';

/**
 * `ldm`: the original code's block names and `lora_te1`, `lora_te2`, as kohya's trainer writes them for SDXL;
 * `diffusers`: diffusers' block names and `lora_te`, as it writes them for SD 1.x and 2.x.
 */
export type NameStyle = 'ldm' | 'diffusers';

/** Modules outside the blocks: diffusers, original. */
const SINGLE = [
  ['conv_in', 'input_blocks.0.0'],
  ['time_embedding.linear_1', 'time_embed.0'],
  ['time_embedding.linear_2', 'time_embed.2'],
  ['time_embedding.cond_proj', 'time_embed.cond_proj'],
  ['add_embedding.linear_1', 'label_emb.0.0'],
  ['add_embedding.linear_2', 'label_emb.0.2'],
  ['conv_norm_out', 'out.0'],
  ['conv_out', 'out.2'],
] as const;

/** Parts of a ResNet: diffusers, original. */
const RESNET = [
  ['norm1', 'in_layers.0'],
  ['conv1', 'in_layers.2'],
  ['time_emb_proj', 'emb_layers.1'],
  ['norm2', 'out_layers.0'],
  ['conv2', 'out_layers.3'],
  ['conv_shortcut', 'skip_connection'],
] as const;

const underscored = (text: string): string => text.replaceAll('.', '_');

/**
 * Names of modules in kohya's manner.
 *
 * @param paths of all modules that get a name: they show which up blocks have attention, which decides the place of
 * the upsampler
 */
export function moduleNames(
  paths: Iterable<string>,
  layers: BlockLayers,
  style: NameStyle,
): (path: string) => string {
  const all = [...paths];
  const blocks = new Set(all.map((path) => /^up_blocks\.(\d+)\.attentions\./.exec(path)?.[1]));
  const resnetsOnly = new Set(
    all
      .map((path) => /^up_blocks\.(\d+)\.resnets\./.exec(path)?.[1])
      .filter((block) => block !== undefined && !blocks.has(block)),
  );
  return (path) => {
    const [, encoder, inside] = /^(text_encoder(?:_2)?)\.(.*)$/.exec(path) ?? [];
    if (inside !== undefined) {
      const prefix = style === 'diffusers' ? 'lora_te' : encoder === 'text_encoder' ? 'lora_te1' : 'lora_te2';
      return `${prefix}_${underscored(inside)}`;
    }
    const name = style === 'ldm' ? originalPath(path, layers, resnetsOnly) : path;
    return `lora_unet_${underscored(name)}`;
  };
}

/** The original code's path of a UNet module. */
function originalPath(
  path: string,
  layers: BlockLayers,
  withoutAttention: ReadonlySet<string | undefined>,
): string {
  const single = SINGLE.find(([diffusers]) => diffusers === path);
  if (single) return single[1];
  const match =
    /^(?:(down|up)_blocks\.(\d+)|mid_block)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.+)$/.exec(
      path,
    );
  if (match === null) throw new Error(`not a module of a UNet: ${path}`);
  const [, side, block, kind, index, rest = ''] = match;
  const i = Number(index);
  if (side === undefined) {
    return kind === 'attentions'
      ? `middle_block.1.${rest}`
      : `middle_block.${i * 2}.${resnetPart(rest, 0, 1)}`;
  }
  const way = side === 'down' ? 'input_blocks' : 'output_blocks';
  const counts = side === 'down' ? layers : layers.toReversed();
  const first = layersBefore(Number(block), counts) + (side === 'down' ? 1 : 0);
  const last = layersBefore(Number(block) + 1, counts);
  switch (kind) {
    case 'resnets':
      return `${way}.${first + i}.0.${resnetPart(rest, 0, 1)}`;
    case 'attentions':
      return `${way}.${first + i}.1.${rest}`;
    case 'downsamplers':
      return `${way}.${last}.0.op`;
    default:
      return `${way}.${last - 1}.${withoutAttention.has(block) ? 1 : 2}.conv`;
  }
}

function resnetPart(part: string, from: 0 | 1, to: 0 | 1): string {
  return RESNET.find((names) => names[from] === part || underscored(names[from]) === part)?.[to] ?? part;
}

/** Prefixes of a UNet module's name; there can be several. */
const PREFIX =
  /^(?:oft_unet_|base_model[._]model[._]|(?:model[._])?diffusion_model[._]|lora_unet_|lycoris_|unet[._])+/;
/** Kohya's number, diffusers' folder, ComfyUI's letter; or the names inside, with and without `text_model`. */
const TEXT =
  /^(?:base_model[._]model[._]|lycoris_)?(?:lora_te([12])?_|text_encoder(_2)?[._]|text_encoders[._]clip_([lgh])[._]transformer[._]|(?=text_model[._]|encoder[._]layers[._]|final_layer_norm$|text_projection$))(.+)$/;

/**
 * The module that a name means in any known spelling: with `.` or `_` between the words, by diffusers' or the original
 * names, after any prefix that trainers use. null for anything else. A text encoder's module without a prefix, as in
 * PEFT's folders and LyCORIS's own files, belongs to the first encoder.
 */
export function modulePath(name: string, layers: BlockLayers): string | null {
  const text = TEXT.exec(name);
  if (text !== null) {
    const [, kohya, folder, letter, rest = ''] = text;
    const inside = textModule(underscored(rest));
    return (
      inside && `text_encoder${kohya === '2' || folder !== undefined || letter === 'g' ? '_2' : ''}.${inside}`
    );
  }
  return unetModule(underscored(name.replace(PREFIX, '')), layers);
}

function textModule(name: string): string | null {
  if (name === 'text_projection') return name;
  if (/^(?:text_model_)?final_layer_norm$/.test(name)) return 'text_model.final_layer_norm';
  // diffusers' first LoRA files have the UNet's names of projections here too.
  const known = name.replace(/_self_attn_to_(q|k|v|out)$/, '_self_attn_$1_proj');
  const [, layer, attention, mlp, norm] =
    /^(?:text_model_)?encoder_layers_(\d+)_(?:self_attn_((?:q|k|v|out)_proj)|mlp_(fc[12])|(layer_norm[12]))$/.exec(
      known,
    ) ?? [];
  if (layer === undefined) return null;
  const part = attention ? `self_attn.${attention}` : mlp ? `mlp.${mlp}` : norm;
  return `text_model.encoder.layers.${layer}.${part}`;
}

function unetModule(name: string, layers: BlockLayers): string | null {
  const single = SINGLE.find((names) => names.some((known) => underscored(known) === name));
  if (single) return single[0];

  const diffusers =
    /^(?:(?:down|up)_blocks_\d+|mid_block)_(resnets|attentions|downsamplers|upsamplers)_\d+_(.+)$/.exec(name);
  if (diffusers !== null) {
    const [, kind = '', rest = ''] = diffusers;
    const site = name.slice(0, -rest.length - 1).replace(/_(?=\d|resnets|att|down|up)/g, '.');
    return joined(site, kind, rest);
  }

  const middle = /^middle_block_([012])_(.+)$/.exec(name);
  if (middle !== null) {
    const [, place, rest = ''] = middle;
    if (place === '1') return joined('mid_block.attentions.0', 'attentions', rest);
    return joined(`mid_block.resnets.${Number(place) / 2}`, 'resnets', resnetPart(rest, 1, 0));
  }

  const [, way, number, part, rest] = /^(input|output)_blocks_(\d+)_([012])_(.+)$/.exec(name) ?? [];
  if (rest === undefined) return null;
  const site =
    way === 'input' ? siteAt(Number(number) - 1, layers) : siteAt(Number(number), layers.toReversed());
  if (site === null) return null;
  const { block, index } = site;
  const side = way === 'input' ? 'down' : 'up';
  if (rest === 'op' && side === 'down') return `down_blocks.${block}.downsamplers.0.conv`;
  if (rest === 'conv' && side === 'up' && part !== '0') return `up_blocks.${block}.upsamplers.0.conv`;
  return part === '0'
    ? joined(`${side}_blocks.${block}.resnets.${index}`, 'resnets', resnetPart(rest, 1, 0))
    : joined(`${side}_blocks.${block}.attentions.${index}`, 'attentions', rest);
}

/** The path of a part at a site; null if there is no such part. */
function joined(site: string, kind: string, rest: string): string | null {
  const inside =
    kind === 'attentions'
      ? transformerPart(rest)
      : kind === 'resnets'
        ? (RESNET.find(([part]) => part === rest)?.[0] ?? null)
        : rest === 'conv'
          ? rest
          : null;
  return inside && `${site}.${inside}`;
}

function transformerPart(name: string): string | null {
  if (/^(?:norm|proj_in|proj_out)$/.test(name)) return name;
  const [, block, attention, projection, feed, norm] =
    /^transformer_blocks_(\d+)_(?:(attn[12])_(?:processor_)?(to_[qkv]|to_out)(?:_0)?|ff_net_(0_proj|2)|(norm[123]))$/.exec(
      name,
    ) ?? [];
  if (block === undefined) return null;
  const path = `transformer_blocks.${block}`;
  if (attention) return `${path}.${attention}.${projection === 'to_out' ? 'to_out.0' : projection}`;
  return feed ? `${path}.ff.net.${feed === '2' ? '2' : '0.proj'}` : `${path}.${norm}`;
}
