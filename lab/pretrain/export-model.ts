/** @file Writes trained parts as a diffusers folder, weights in half precision. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parametersOf, type Parameters } from '../../gpu-worker/models/parameters.ts';
import { writeSafetensors } from '../../gpu-worker/models/safetensors.ts';
import { writeTokenizers, type Vocabulary } from './bpe.ts';
import type { PretrainConfig } from './pretrain-config.ts';

export interface TrainedModel {
  readonly config: PretrainConfig;
  readonly vocabulary: Vocabulary;
  /** The VAE's scaling_factor. */
  readonly scalingFactor: number;
  /** Each part's parameters by name. */
  readonly parts: Readonly<Record<Part, ReadonlyMap<string, Float32Array>>>;
  /** The layout of each part's parameters. */
  readonly forward: Readonly<Record<Part, (p: Parameters) => unknown>>;
}

export const PARTS = ['text_encoder', 'text_encoder_2', 'unet', 'vae'] as const;
export type Part = (typeof PARTS)[number];

const WEIGHTS_FILE: Readonly<Record<Part, string>> = {
  text_encoder: 'model.safetensors',
  text_encoder_2: 'model.safetensors',
  unet: 'diffusion_pytorch_model.safetensors',
  vae: 'diffusion_pytorch_model.safetensors',
};

/** As StableDiffusionXLPipeline saves itself, so that diffusers opens it too. */
export async function exportModel(folder: string, model: TrainedModel): Promise<void> {
  const { config, vocabulary } = model;
  await writeJson(folder, 'model_index.json', {
    _class_name: 'StableDiffusionXLPipeline',
    _diffusers_version: '0.35.0',
    force_zeros_for_empty_prompt: false,
    scheduler: ['diffusers', config.raw.scheduler['_class_name']],
    text_encoder: ['transformers', 'CLIPTextModel'],
    text_encoder_2: ['transformers', 'CLIPTextModelWithProjection'],
    tokenizer: ['transformers', 'CLIPTokenizer'],
    tokenizer_2: ['transformers', 'CLIPTokenizer'],
    unet: ['diffusers', 'UNet2DConditionModel'],
    vae: ['diffusers', 'AutoencoderKL'],
  });
  await writeJson(folder, 'scheduler/scheduler_config.json', config.raw.scheduler);
  await writeTokenizers(folder, vocabulary, config.data.tokenizer.maxLength);
  const sizes = vocabularySizes(vocabulary, config.data.tokenizer.maxLength);
  // Without it transformers opens the encoders in the F16 of their files, while diffusers opens the UNet in F32.
  const text = { ...sizes, dtype: 'float32' };
  const extra: Readonly<Record<Part, object>> = {
    text_encoder: text,
    text_encoder_2: { ...text, pad_token_id: 0 },
    unet: {},
    vae: { scaling_factor: model.scalingFactor },
  };
  for (const part of PARTS) {
    await writeJson(folder, `${part}/config.json`, { ...config.raw[part], ...extra[part] });
    const values = model.parts[part];
    const tensors = parametersOf(model.forward[part]).map(
      ({ name, shape }) => [name, { dtype: 'F16' as const, shape, data: values.get(name)! }] as const,
    );
    await writeSafetensors(
      join(folder, part, WEIGHTS_FILE[part]),
      new Map(tensors),
      new Map([['format', 'pt']]),
    );
  }
}

/** The fields of a text encoder's config that depend on the vocabulary. */
export function vocabularySizes({ vocab }: Vocabulary, maxLength: number) {
  const end = vocab['<|endoftext|>']!;
  return {
    vocab_size: Object.keys(vocab).length,
    max_position_embeddings: maxLength,
    bos_token_id: vocab['<|startoftext|>']!,
    eos_token_id: end,
    pad_token_id: end,
  };
}

async function writeJson(folder: string, name: string, value: object): Promise<void> {
  const path = join(folder, name);
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, `${JSON.stringify(value, null, 2)}\n`);
}
