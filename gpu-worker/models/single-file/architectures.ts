/**
 * @file The supported models of single files. Such a file has no configs, so they are here, equal to those of the same
 * models' folders on the hub (runwayml/stable-diffusion-v1-5, stabilityai/stable-diffusion-2-1,
 * stable-diffusion-xl-base-1.0 and -refiner-1.0), and where in the file each part begins.
 */
import type { Architecture } from '../architecture.ts';

type JsonObject = Readonly<Record<string, unknown>>;

export interface TextEncoderPart {
  readonly part: 'text_encoder' | 'text_encoder_2';
  readonly prefix: string;
  /** `clip`: transformers' CLIPTextModel; `openclip`: OpenCLIP's own names. */
  readonly names: 'clip' | 'openclip';
  readonly config: JsonObject;
  /** Whether it has the projection for pooled text. */
  readonly projected: boolean;
  /** The tokenizer's padding token; the vocabulary is the same for all. */
  readonly pad: string;
}

export interface SingleFileModel {
  readonly architecture: Architecture;
  readonly textEncoders: readonly [TextEncoderPart, ...TextEncoderPart[]];
  readonly unet: JsonObject;
  readonly vae: JsonObject;
  readonly scheduler: JsonObject;
  /** The differences when the model predicts velocity; null: it never does. */
  readonly velocity: { readonly unet: JsonObject; readonly scheduler: JsonObject } | null;
  readonly forceZerosForEmptyPrompt: boolean;
}

export const UNET_PREFIX = 'model.diffusion_model.';
export const VAE_PREFIX = 'first_stage_model.';

const VOCABULARY = { vocab_size: 49408, max_position_embeddings: 77, eos_token_id: 2, bos_token_id: 0 };
const CLIP_L = {
  ...VOCABULARY,
  hidden_size: 768,
  intermediate_size: 3072,
  num_hidden_layers: 12,
  num_attention_heads: 12,
  hidden_act: 'quick_gelu',
  projection_dim: 768,
};
/** Without its last, 24th layer, which SD 2 doesn't use, though files contain it. */
const OPEN_CLIP_H = {
  ...VOCABULARY,
  hidden_size: 1024,
  intermediate_size: 4096,
  num_hidden_layers: 23,
  num_attention_heads: 16,
  hidden_act: 'gelu',
  projection_dim: 512,
};
const OPEN_CLIP_BIG_G = {
  ...VOCABULARY,
  hidden_size: 1280,
  intermediate_size: 5120,
  num_hidden_layers: 32,
  num_attention_heads: 20,
  hidden_act: 'gelu',
  projection_dim: 1280,
};
const END = '<|endoftext|>';

const SD_BLOCKS = {
  block_out_channels: [320, 640, 1280, 1280],
  layers_per_block: 2,
  down_block_types: ['CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'DownBlock2D'],
  up_block_types: ['UpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D'],
  norm_num_groups: 32,
};
const VAE: JsonObject = {
  block_out_channels: [128, 256, 512, 512],
  down_block_types: Array<string>(4).fill('DownEncoderBlock2D'),
  up_block_types: Array<string>(4).fill('UpDecoderBlock2D'),
  layers_per_block: 2,
  latent_channels: 4,
  norm_num_groups: 32,
  sample_size: 512,
  scaling_factor: 0.18215,
};
const XL_VAE: JsonObject = { ...VAE, sample_size: 1024, scaling_factor: 0.13025 };

const NOISE: JsonObject = {
  num_train_timesteps: 1000,
  beta_start: 0.00085,
  beta_end: 0.012,
  beta_schedule: 'scaled_linear',
  clip_sample: false,
  set_alpha_to_one: false,
  skip_prk_steps: true,
  steps_offset: 1,
  trained_betas: null,
};
const PNDM: JsonObject = { _class_name: 'PNDMScheduler', ...NOISE };
const EULER: JsonObject = {
  _class_name: 'EulerDiscreteScheduler',
  ...NOISE,
  interpolation_type: 'linear',
  prediction_type: 'epsilon',
  sample_max_value: 1,
  timestep_spacing: 'leading',
  use_karras_sigmas: false,
};

/** Of a distilled latent consistency model, such as SimianLuo/LCM_Dreamshaper_v7. */
export const LCM: JsonObject = {
  _class_name: 'LCMScheduler',
  ...NOISE,
  set_alpha_to_one: true,
  steps_offset: 0,
  original_inference_steps: 50,
  prediction_type: 'epsilon',
  timestep_scaling: 10,
};

export const SINGLE_FILE_MODELS: readonly SingleFileModel[] = [
  {
    architecture: 'sd1',
    textEncoders: [
      {
        part: 'text_encoder',
        prefix: 'cond_stage_model.transformer.',
        names: 'clip',
        config: CLIP_L,
        projected: false,
        pad: END,
      },
    ],
    unet: { ...SD_BLOCKS, sample_size: 64, attention_head_dim: 8, cross_attention_dim: 768 },
    vae: VAE,
    scheduler: PNDM,
    velocity: { unet: {}, scheduler: { ...PNDM, prediction_type: 'v_prediction' } },
    forceZerosForEmptyPrompt: false,
  },
  {
    architecture: 'sd2',
    textEncoders: [
      {
        part: 'text_encoder',
        prefix: 'cond_stage_model.model.',
        names: 'openclip',
        config: OPEN_CLIP_H,
        projected: false,
        pad: '!',
      },
    ],
    unet: {
      ...SD_BLOCKS,
      sample_size: 64,
      attention_head_dim: [5, 10, 20, 20],
      cross_attention_dim: 1024,
      use_linear_projection: true,
    },
    vae: VAE,
    scheduler: PNDM,
    // 768-v.
    velocity: {
      unet: { sample_size: 96 },
      scheduler: { _class_name: 'DDIMScheduler', ...NOISE, prediction_type: 'v_prediction' },
    },
    forceZerosForEmptyPrompt: false,
  },
  {
    architecture: 'sdxl',
    textEncoders: [
      {
        part: 'text_encoder',
        prefix: 'conditioner.embedders.0.transformer.',
        names: 'clip',
        config: CLIP_L,
        projected: false,
        pad: END,
      },
      {
        part: 'text_encoder_2',
        prefix: 'conditioner.embedders.1.model.',
        names: 'openclip',
        config: OPEN_CLIP_BIG_G,
        projected: true,
        pad: '!',
      },
    ],
    unet: {
      sample_size: 128,
      block_out_channels: [320, 640, 1280],
      layers_per_block: 2,
      down_block_types: ['DownBlock2D', 'CrossAttnDownBlock2D', 'CrossAttnDownBlock2D'],
      up_block_types: ['CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'UpBlock2D'],
      transformer_layers_per_block: [1, 2, 10],
      attention_head_dim: [5, 10, 20],
      cross_attention_dim: 2048,
      use_linear_projection: true,
      norm_num_groups: 32,
      addition_embed_type: 'text_time',
      addition_time_embed_dim: 256,
      projection_class_embeddings_input_dim: 2816,
    },
    vae: XL_VAE,
    scheduler: EULER,
    velocity: { unet: {}, scheduler: { ...EULER, prediction_type: 'v_prediction' } },
    forceZerosForEmptyPrompt: true,
  },
  {
    architecture: 'sdxl-refiner',
    textEncoders: [
      {
        part: 'text_encoder_2',
        prefix: 'conditioner.embedders.0.model.',
        names: 'openclip',
        config: OPEN_CLIP_BIG_G,
        projected: true,
        pad: '!',
      },
    ],
    unet: {
      sample_size: 128,
      block_out_channels: [384, 768, 1536, 1536],
      layers_per_block: 2,
      down_block_types: ['DownBlock2D', 'CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'DownBlock2D'],
      up_block_types: ['UpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'UpBlock2D'],
      transformer_layers_per_block: 4,
      attention_head_dim: [6, 12, 24, 24],
      cross_attention_dim: 1280,
      use_linear_projection: true,
      norm_num_groups: 32,
      addition_embed_type: 'text_time',
      addition_time_embed_dim: 256,
      projection_class_embeddings_input_dim: 2560,
    },
    vae: XL_VAE,
    scheduler: EULER,
    velocity: null,
    forceZerosForEmptyPrompt: false,
  },
];
