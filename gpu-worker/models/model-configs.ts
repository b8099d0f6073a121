/**
 * @file Typed configs of the parts of SD 1.x, SD 2.x and SDXL. Fields have the names, meanings and defaults of
 * diffusers' and transformers' config.json, except that a field that can be one number for all blocks is always a list.
 * Fields with one supported value (SiLU, 3×3 input convolution, …) are checked and then dropped.
 */
import { at } from '../../core/at.ts';
import { ConfigFields } from './config-fields.ts';

type JsonObject = Readonly<Record<string, unknown>>;

/**
 * Depths beyond those of any known model, so that no config of a stranger makes a check trace a million layers. SDXL has
 * 2 ResNets and 10 transformer blocks at most, OpenCLIP bigG 32 layers.
 */
const MOST_LAYERS = 8;
const MOST_TRANSFORMERS = 32;
/** Of a whole UNet; SDXL has 70. */
const MOST_TRANSFORMERS_IN_ALL = 512;
const MOST_TEXT_LAYERS = 128;
/** Tokens of a chunk, of which attention takes the square: CLIP has 77, LongCLIP 248. */
const MOST_POSITIONS = 1024;
/** Of a vocabulary: CLIP has 49,408 tokens, multilingual ones a quarter of a million. */
const MOST_TOKENS = 1 << 20;

/** transformers' CLIPTextConfig. */
export interface ClipTextConfig {
  readonly vocab_size: number;
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly max_position_embeddings: number;
  readonly hidden_act: 'quick_gelu' | 'gelu';
  readonly layer_norm_eps: number;
  /** Width of `text_projection`; null for a CLIPTextModel, which has none. */
  readonly projection_dim: number | null;
  /**
   * The pooled output is the state at the first of these tokens. In old configs it is wrongly 2, which means the
   * position of the largest id: the end token of CLIP's vocabulary (as in transformers).
   */
  readonly eos_token_id: number;
  readonly pad_token_id: number;
}

/** diffusers' UNet2DConditionModel, as SDXL and SD use it. Lists run from the first down block to the last. */
export interface UNetConfig {
  readonly sample_size: number;
  readonly in_channels: number;
  readonly out_channels: number;
  readonly flip_sin_to_cos: boolean;
  readonly freq_shift: number;
  readonly down_block_types: readonly ('CrossAttnDownBlock2D' | 'DownBlock2D')[];
  readonly up_block_types: readonly ('CrossAttnUpBlock2D' | 'UpBlock2D')[];
  readonly block_out_channels: readonly number[];
  /** ResNets of each down block; up blocks have one more, in reverse order. */
  readonly layers_per_block: readonly number[];
  /**
   * Transformer blocks in the attentions of each down block; the mid block has the last. Up blocks have the reverse,
   * unless `reverse_transformer_layers_per_block` says theirs.
   */
  readonly transformer_layers_per_block: readonly Depth[];
  /**
   * Heads of each down block (mid: the last, up: reversed). The files call this `attention_head_dim`, which in
   * this class means the number of heads (diffusers kept the wrong name for its users' files).
   */
  readonly num_attention_heads: readonly number[];
  /** Width of the text states. */
  readonly cross_attention_dim: number;
  readonly use_linear_projection: boolean;
  readonly norm_num_groups: number;
  readonly norm_eps: number;
  /** `text_time`: SDXL's pooled text and sizes; null: none (SD 1.x, 2.x). */
  readonly addition_embed_type: 'text_time' | null;
  /** Width of each size's sinusoidal embedding; 0 without `text_time`. */
  readonly addition_time_embed_dim: number;
  /** Pooled width + added_time_ids × addition_time_embed_dim; 0 without `text_time`. */
  readonly projection_class_embeddings_input_dim: number;
  /**
   * Number of values about a picture that it reads (`timeIds` in architecture.ts); not in the files. 0 without
   * `text_time`.
   */
  readonly added_time_ids: number;
  /** One ResNet, or null for no mid block (BK-SDM, KOALA). Missing: ResNet, attention, ResNet, as in SD. */
  readonly mid_block_type?: 'UNetMidBlock2D' | null;
  /** Transformer blocks of each up block, from the lowest. Missing: as the down blocks. */
  readonly reverse_transformer_layers_per_block?: readonly Depth[];
  /** Width of the embedded guidance scale that distilled LCM models read. Missing: it reads none. */
  readonly time_cond_proj_dim?: number;
}

/** Transformer blocks of an attention: one number for all attentions of a block, or one each. */
export type Depth = number | readonly number[];

/** One resolution of a UNet, on the way down and up. */
export interface UNetLevel {
  /** Channels. */
  readonly width: number;
  /** ResNets on the way down; one more on the way up. */
  readonly layers: number;
  /** Of each attention. */
  readonly heads: number;
  /** Transformer blocks of each attention, one a ResNet; null: the block has no attention. */
  readonly attentionsDown: readonly number[] | null;
  readonly attentionsUp: readonly number[] | null;
  /** Module path of its up block; up blocks are counted from the lowest level. */
  readonly pathUp: string;
}

/** The levels of a UNet, from the finest. */
export function unetLevels(config: UNetConfig): UNetLevel[] {
  const last = config.block_out_channels.length - 1;
  const { transformer_layers_per_block: down, reverse_transformer_layers_per_block: up } = config;
  return config.block_out_channels.map((width, level) => {
    const layers = at(config.layers_per_block, level);
    const depths = (depth: Depth, count: number): readonly number[] =>
      typeof depth === 'number' ? new Array<number>(count).fill(depth) : depth;
    return {
      width,
      layers,
      heads: at(config.num_attention_heads, level),
      attentionsDown:
        config.down_block_types[level] === 'CrossAttnDownBlock2D' ? depths(at(down, level), layers) : null,
      attentionsUp:
        config.up_block_types[last - level] === 'CrossAttnUpBlock2D'
          ? depths(up === undefined ? at(down, level) : at(up, last - level), layers + 1)
          : null,
      pathUp: `up_blocks.${last - level}`,
    };
  });
}

/** The block between the way down and the way up. */
export interface UNetMiddle {
  readonly resnets: 0 | 1 | 2;
  /** Transformer blocks between the two ResNets; 0: no attention. */
  readonly transformers: number;
}

export function unetMiddle(config: UNetConfig): UNetMiddle {
  if (config.mid_block_type !== undefined)
    return { resnets: config.mid_block_type === null ? 0 : 1, transformers: 0 };
  const depth = at(config.transformer_layers_per_block, -1);
  return { resnets: 2, transformers: typeof depth === 'number' ? depth : at(depth, 0) };
}

/** diffusers' AutoencoderKL. */
export interface VaeConfig {
  readonly in_channels: number;
  readonly out_channels: number;
  readonly block_out_channels: readonly number[];
  readonly layers_per_block: number;
  readonly latent_channels: number;
  readonly norm_num_groups: number;
  readonly sample_size: number;
  /** The UNet sees (latents - shift_factor) × scaling_factor. */
  readonly scaling_factor: number;
  readonly shift_factor: number;
  readonly use_quant_conv: boolean;
  readonly use_post_quant_conv: boolean;
  readonly mid_block_add_attention: boolean;
  /** Its values exceed the range of 16-bit floats. */
  readonly force_upcast: boolean;
}

/** @throws KronaError MODEL_CONFIG_INVALID, MODEL_CONFIG_UNSUPPORTED */
export function clipTextConfig(where: string, raw: JsonObject, projected: boolean): ClipTextConfig {
  const fields = new ConfigFields(where, raw);
  const config: ClipTextConfig = {
    vocab_size: fields.integer('vocab_size', 49408, { most: MOST_TOKENS }),
    hidden_size: fields.integer('hidden_size', 512),
    intermediate_size: fields.integer('intermediate_size', 2048),
    num_hidden_layers: fields.integer('num_hidden_layers', 12, { most: MOST_TEXT_LAYERS }),
    num_attention_heads: fields.integer('num_attention_heads', 8),
    max_position_embeddings: fields.integer('max_position_embeddings', 77, { most: MOST_POSITIONS }),
    hidden_act: fields.oneOf('hidden_act', ['quick_gelu', 'gelu'], 'quick_gelu'),
    layer_norm_eps: fields.number('layer_norm_eps', 1e-5),
    projection_dim: projected ? fields.integer('projection_dim', 512) : null,
    eos_token_id: fields.integer('eos_token_id', 49407, { least: 0, most: MOST_TOKENS }),
    pad_token_id: fields.integer('pad_token_id', 1, { least: 0, most: MOST_TOKENS }),
  };
  if (config.hidden_size % config.num_attention_heads !== 0)
    throw fields.invalid('num_attention_heads', `a divisor of hidden_size ${config.hidden_size}`);
  return config;
}

/** Fields with one supported value, which all UNets of SD, SDXL and their distillations have. */
const UNET_FIXED = {
  act_fn: 'silu',
  resnet_time_scale_shift: 'default',
  downsample_padding: 1,
  center_input_sample: false,
  only_cross_attention: false,
  mid_block_only_cross_attention: false,
  mid_block_scale_factor: 1,
  encoder_hid_dim: null,
  encoder_hid_dim_type: null,
  dual_cross_attention: false,
  class_embed_type: null,
  num_class_embeds: null,
  class_embeddings_concat: false,
  time_embedding_type: 'positional',
  time_embedding_dim: null,
  time_embedding_act_fn: null,
  timestep_post_act: null,
  conv_in_kernel: 3,
  conv_out_kernel: 3,
  attention_type: 'default',
  cross_attention_norm: null,
  resnet_skip_time_act: false,
  resnet_out_scale_factor: 1,
};

/**
 * `upcast_attention` (SD 2.1) is ignored: fused attention accumulates in fp32, and unfused attention scales queries
 * before the product and computes softmax in fp32, so scores stay in range in 16 bits too.
 *
 * @param timeIds with `text_time`: 6, or 5 for SDXL's refiner
 * @throws KronaError MODEL_CONFIG_INVALID, MODEL_CONFIG_UNSUPPORTED
 */
export function unetConfig(where: string, raw: JsonObject, timeIds = 6): UNetConfig {
  const fields = new ConfigFields(where, raw);
  fields.mustBe(UNET_FIXED);
  const channels = fields.integers('block_out_channels', [320, 640, 1280, 1280]);
  const blocks = channels.length;
  const heads = fields.get('num_attention_heads') === null ? 'attention_head_dim' : 'num_attention_heads';
  const added = fields.get('addition_embed_type') === null ? null : 'text_time';
  if (added !== null) fields.oneOf('addition_embed_type', [added], added);
  const config: UNetConfig = {
    sample_size: fields.integer('sample_size'),
    in_channels: fields.integer('in_channels', 4),
    out_channels: fields.integer('out_channels', 4),
    flip_sin_to_cos: fields.flag('flip_sin_to_cos', true),
    freq_shift: fields.number('freq_shift', 0),
    down_block_types: fields.namesOf('down_block_types', ['CrossAttnDownBlock2D', 'DownBlock2D'], blocks, [
      'CrossAttnDownBlock2D',
      'CrossAttnDownBlock2D',
      'CrossAttnDownBlock2D',
      'DownBlock2D',
    ]),
    up_block_types: fields.namesOf('up_block_types', ['CrossAttnUpBlock2D', 'UpBlock2D'], blocks, [
      'UpBlock2D',
      'CrossAttnUpBlock2D',
      'CrossAttnUpBlock2D',
      'CrossAttnUpBlock2D',
    ]),
    block_out_channels: channels,
    layers_per_block: fields.perBlock('layers_per_block', blocks, 2, MOST_LAYERS),
    transformer_layers_per_block: fields.depths('transformer_layers_per_block', blocks, 1, MOST_TRANSFORMERS),
    num_attention_heads: fields.perBlock(heads, blocks, 8),
    cross_attention_dim: fields.integer('cross_attention_dim', 1280),
    use_linear_projection: fields.flag('use_linear_projection', false),
    norm_num_groups: fields.integer('norm_num_groups', 32),
    norm_eps: fields.number('norm_eps', 1e-5),
    addition_embed_type: added,
    addition_time_embed_dim: added === null ? 0 : fields.integer('addition_time_embed_dim'),
    projection_class_embeddings_input_dim:
      added === null ? 0 : fields.integer('projection_class_embeddings_input_dim'),
    added_time_ids: added === null ? 0 : timeIds,
    ...distilledFields(fields, blocks),
  };
  checkUnet(fields, config, heads);
  return config;
}

type DistilledField = 'mid_block_type' | 'reverse_transformer_layers_per_block' | 'time_cond_proj_dim';

/** Fields that only distillations set: absent for all others, so that a config's identity doesn't depend on them. */
function distilledFields(fields: ConfigFields, blocks: number): Pick<UNetConfig, DistilledField> {
  const middle =
    fields.given('mid_block_type') && fields.get('mid_block_type') === null
      ? null
      : fields.oneOf(
          'mid_block_type',
          ['UNetMidBlock2DCrossAttn', 'UNetMidBlock2D'],
          'UNetMidBlock2DCrossAttn',
        );
  const up = 'reverse_transformer_layers_per_block';
  return {
    ...(middle === 'UNetMidBlock2DCrossAttn' ? {} : { mid_block_type: middle }),
    ...(fields.get(up) === null ? {} : { [up]: fields.depths(up, blocks, 1, MOST_TRANSFORMERS) }),
    ...(fields.get('time_cond_proj_dim') === null
      ? {}
      : { time_cond_proj_dim: fields.integer('time_cond_proj_dim', undefined, { least: 4 }) }),
  };
}

/**
 * Checks what several fields decide together.
 *
 * @param heads the field that the numbers of heads came from
 * @throws KronaError MODEL_CONFIG_INVALID
 */
function checkUnet(fields: ConfigFields, config: UNetConfig, heads: string): void {
  const { block_out_channels: channels } = config;
  const levels = unetLevels(config);
  for (const { layers, attentionsDown, attentionsUp } of levels) {
    checkDepths(fields, 'transformer_layers_per_block', attentionsDown, layers);
    checkDepths(
      fields,
      config.reverse_transformer_layers_per_block === undefined
        ? 'transformer_layers_per_block'
        : 'reverse_transformer_layers_per_block',
      attentionsUp,
      layers + 1,
    );
  }
  const { resnets, transformers: inMiddle } = unetMiddle(config);
  if (resnets === 2 && inMiddle === 0)
    throw fields.invalid('transformer_layers_per_block', 'at last a number from 1, which the mid block has');
  if ((config.time_cond_proj_dim ?? 0) % 2 !== 0)
    throw fields.invalid('time_cond_proj_dim', 'an even number');
  const all = levels.flatMap(({ attentionsDown, attentionsUp }) => [
    attentionsDown ?? [],
    attentionsUp ?? [],
  ]);
  const transformers = all.flat().reduce((sum, count) => sum + count, inMiddle);
  if (transformers > MOST_TRANSFORMERS_IN_ALL)
    throw fields.invalid(
      'transformer_layers_per_block',
      `at most ${MOST_TRANSFORMERS_IN_ALL} transformer blocks in all, not ${transformers}`,
    );
  channels.forEach((width, block) => {
    if (width % config.norm_num_groups !== 0)
      throw fields.invalid('norm_num_groups', `a divisor of every block's channels (${channels.join(', ')})`);
    if (width % at(config.num_attention_heads, block) !== 0)
      throw fields.invalid(heads, `divisors of the blocks' channels (${channels.join(', ')})`);
  });
}

/** A block with attention needs at least one transformer block in each. */
function checkDepths(
  fields: ConfigFields,
  key: string,
  depths: readonly number[] | null,
  count: number,
): void {
  if (depths !== null && (depths.length !== count || depths.some((depth) => depth === 0)))
    throw fields.invalid(key, `for a block with ${count} attentions one number from 1, or ${count} of them`);
}

/** @throws KronaError MODEL_CONFIG_INVALID, MODEL_CONFIG_UNSUPPORTED */
export function vaeConfig(where: string, raw: JsonObject): VaeConfig {
  const fields = new ConfigFields(where, raw);
  fields.mustBe({ act_fn: 'silu', latents_mean: null, latents_std: null });
  const channels = fields.integers('block_out_channels', [64]);
  const blocks = channels.length;
  fields.namesOf('down_block_types', ['DownEncoderBlock2D'], blocks, ['DownEncoderBlock2D']);
  fields.namesOf('up_block_types', ['UpDecoderBlock2D'], blocks, ['UpDecoderBlock2D']);
  const groups = fields.integer('norm_num_groups', 32);
  if (channels.some((width) => width % groups !== 0))
    throw fields.invalid('norm_num_groups', `a divisor of every block's channels (${channels.join(', ')})`);
  return {
    in_channels: fields.integer('in_channels', 3),
    out_channels: fields.integer('out_channels', 3),
    block_out_channels: channels,
    layers_per_block: fields.integer('layers_per_block', 1, { most: MOST_LAYERS }),
    latent_channels: fields.integer('latent_channels', 4),
    norm_num_groups: groups,
    sample_size: fields.integer('sample_size', 32),
    scaling_factor: fields.number('scaling_factor', 0.18215),
    shift_factor: fields.get('shift_factor') === null ? 0 : fields.number('shift_factor'),
    use_quant_conv: fields.flag('use_quant_conv', true),
    use_post_quant_conv: fields.flag('use_post_quant_conv', true),
    mid_block_add_attention: fields.flag('mid_block_add_attention', true),
    force_upcast: fields.flag('force_upcast', true),
  };
}
