/** @file The keys `models` and `training` of the pretraining configuration: sizes of the parts, and how long each is taught. */
import { readFile } from 'node:fs/promises';
import {
  clipTextConfig,
  unetConfig,
  vaeConfig,
  type ClipTextConfig,
  type UNetConfig,
  type VaeConfig,
} from '../models/model-configs.ts';
import { readPretrainData, type PretrainData } from './concepts.ts';

type JsonObject = Readonly<Record<string, unknown>>;

export interface StageSettings {
  readonly batch: number;
  readonly steps: number;
  /** Highest learning rate: reached after `warmup` steps, then falling to 0 along a half cosine. */
  readonly lr: number;
  readonly warmup: number;
  readonly averageDecay: number;
}

export interface PretrainConfig {
  readonly data: PretrainData;
  /** What is written as each part's config.json, vocabulary sizes and scaling factor filled in later. */
  readonly raw: Readonly<
    Record<'vae' | 'unet' | 'text_encoder' | 'text_encoder_2' | 'scheduler', JsonObject>
  >;
  readonly vae: VaeConfig;
  readonly unet: UNetConfig;
  /** Without vocab_size and the special ids, which the vocabulary decides. */
  textEncoders(vocabulary: {
    readonly size: number;
    readonly end: number;
  }): readonly [ClipTextConfig, ClipTextConfig];
  readonly training: {
    readonly seed: number;
    readonly autoencoder: StageSettings & { readonly kl: number };
    readonly latents: { readonly pictures: number; readonly batch: number };
    readonly diffusion: StageSettings;
  };
}

/** @throws KronaError PRETRAIN_CONFIG, MODEL_CONFIG_* */
export async function readPretrainConfig(path: string): Promise<PretrainConfig> {
  const data = await readPretrainData(path);
  const { models: raw, training } = JSON.parse(await readFile(path, 'utf8')) as {
    models: PretrainConfig['raw'];
    training: PretrainConfig['training'];
  };
  return {
    data,
    raw,
    training,
    vae: vaeConfig('models.vae', raw.vae),
    unet: unetConfig('models.unet', raw.unet),
    textEncoders: ({ size, end }) => {
      const sized = {
        vocab_size: size,
        max_position_embeddings: data.tokenizer.maxLength,
        eos_token_id: end,
        bos_token_id: end - 1,
        pad_token_id: end,
      };
      return [
        clipTextConfig('models.text_encoder', { ...raw.text_encoder, ...sized }, false),
        clipTextConfig('models.text_encoder_2', { ...raw.text_encoder_2, ...sized }, true),
      ];
    },
  };
}
