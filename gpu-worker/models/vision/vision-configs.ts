/**
 * @file Typed configs of vision towers, with the names, meanings and defaults of transformers' CLIPConfig, ViTConfig and
 * Dinov2Config.
 */
import { KronaError } from '../../../core/errors.ts';
import { isJsonObject } from '../../../core/json-object.ts';
import { ConfigFields, quoted } from '../config-fields.ts';
import { clipTextConfig, type ClipTextConfig } from '../model-configs.ts';

type JsonObject = Readonly<Record<string, unknown>>;

/** DINOv2 giant has 40. */
const MOST_LAYERS = 128;

export const ACTIVATIONS = ['gelu', 'quick_gelu', 'relu', 'silu'] as const;
export type Activation = (typeof ACTIVATIONS)[number];

/** What every tower has. */
export interface VisionConfig {
  readonly hidden_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  /** Side of the pictures that the stored position embeddings are for, pixels. */
  readonly image_size: number;
  readonly patch_size: number;
  readonly hidden_act: Activation;
  readonly layer_norm_eps: number;
}

/** CLIPConfig: both towers project to `projection_dim`. */
export interface ClipConfig {
  readonly model_type: 'clip';
  readonly projection_dim: number;
  readonly text: ClipTextConfig;
  readonly vision: VisionConfig & { readonly intermediate_size: number };
}

/** ViTConfig, as DINO's networks have it. */
export interface VitConfig extends VisionConfig {
  readonly model_type: 'vit';
  readonly intermediate_size: number;
  readonly qkv_bias: boolean;
}

/** Dinov2Config. */
export interface Dinov2Config extends VisionConfig {
  readonly model_type: 'dinov2';
  /** Width of the hidden layer, in `hidden_size`s. */
  readonly mlp_ratio: number;
  readonly use_swiglu_ffn: boolean;
  readonly qkv_bias: boolean;
}

export type TowerConfig = ClipConfig | VitConfig | Dinov2Config;

/**
 * Reads a tower's config.json.
 *
 * @throws KronaError MODEL_ARCHITECTURE_UNSUPPORTED, MODEL_CONFIG_INVALID, MODEL_CONFIG_UNSUPPORTED
 */
export function towerConfig(where: string, raw: JsonObject): TowerConfig {
  switch (raw['model_type']) {
    case 'clip':
      return clipConfig(where, raw);
    case 'vit':
      return vitConfig(new ConfigFields(where, raw));
    case 'dinov2':
      return dinov2Config(new ConfigFields(where, raw));
    default:
      throw new KronaError(
        'MODEL_ARCHITECTURE_UNSUPPORTED',
        `${where} has the "model_type" ${quoted(raw['model_type'])}; supported: clip, vit, dinov2.`,
      );
  }
}

function clipConfig(where: string, raw: JsonObject): ClipConfig {
  const projection = new ConfigFields(where, raw).integer('projection_dim', 512);
  const text = clipTextConfig(`${where}: text_config`, section(where, raw, 'text_config'), false);
  const fields = new ConfigFields(`${where}: vision_config`, section(where, raw, 'vision_config'));
  const vision = {
    ...visionConfig(fields, { patch: 32, act: 'quick_gelu', eps: 1e-5 }),
    intermediate_size: fields.integer('intermediate_size', 3072),
  };
  return {
    model_type: 'clip',
    projection_dim: projection,
    text: { ...text, projection_dim: projection },
    vision,
  };
}

/** A tower's own object; fields of `…_dict`, which old files have beside it, go before its own. */
function section(where: string, raw: JsonObject, key: string): JsonObject {
  const [own, older] = [key, `${key}_dict`].map((name): JsonObject => {
    const value = raw[name] ?? {};
    if (!isJsonObject(value)) throw new ConfigFields(where, raw).invalid(name, 'an object');
    return value;
  });
  return { ...own, ...older };
}

function vitConfig(fields: ConfigFields): VitConfig {
  return {
    model_type: 'vit',
    ...visionConfig(fields, { patch: 16, act: 'gelu', eps: 1e-12 }),
    intermediate_size: fields.integer('intermediate_size', 3072),
    qkv_bias: fields.flag('qkv_bias', true),
  };
}

function dinov2Config(fields: ConfigFields): Dinov2Config {
  const config: Dinov2Config = {
    model_type: 'dinov2',
    ...visionConfig(fields, { patch: 14, act: 'gelu', eps: 1e-6 }),
    mlp_ratio: fields.number('mlp_ratio', 4),
    use_swiglu_ffn: fields.flag('use_swiglu_ffn', false),
    qkv_bias: fields.flag('qkv_bias', true),
  };
  if (!(config.mlp_ratio * config.hidden_size >= 1 && config.mlp_ratio <= 64))
    throw fields.invalid('mlp_ratio', 'a number above 0, up to 64');
  return config;
}

function visionConfig(
  fields: ConfigFields,
  defaults: { readonly patch: number; readonly act: Activation; readonly eps: number },
): VisionConfig {
  fields.mustBe({ num_channels: 3 });
  const config: VisionConfig = {
    hidden_size: fields.integer('hidden_size', 768),
    num_hidden_layers: fields.integer('num_hidden_layers', 12, { most: MOST_LAYERS }),
    num_attention_heads: fields.integer('num_attention_heads', 12),
    image_size: fields.integer('image_size', 224, { most: 4096 }),
    patch_size: fields.integer('patch_size', defaults.patch, { most: 4096 }),
    hidden_act: fields.oneOf('hidden_act', ACTIVATIONS, defaults.act),
    layer_norm_eps: fields.number('layer_norm_eps', defaults.eps),
  };
  if (config.hidden_size % config.num_attention_heads !== 0)
    throw fields.invalid('num_attention_heads', `a divisor of hidden_size (${config.hidden_size})`);
  if (config.patch_size > config.image_size)
    throw fields.invalid('patch_size', `at most image_size (${config.image_size})`);
  if (config.layer_norm_eps < 0) throw fields.invalid('layer_norm_eps', 'a number from 0');
  return config;
}
