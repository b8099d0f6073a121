/**
 * @file Opens a diffusers model folder of the SDXL architecture: configs are checked and typed, tensors are
 * located under one set of names, and nothing is loaded. Which tensors a model needs, the models themselves say.
 */
import { realpath, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { KronaError } from '../../storage/errors.ts';
import { ConfigFields } from './config-fields.ts';
import {
  clipTextConfig,
  unetConfig,
  vaeConfig,
  type ClipTextConfig,
  type UNetConfig,
  type VaeConfig,
} from './model-configs.ts';
import { componentTensors, readJson } from './model-files.ts';
import { elementCount, type StoredTensor } from './safetensors.ts';

export interface ModelComponent<Config> {
  /** Folder inside the model's, e.g. `text_encoder_2`. */
  readonly name: string;
  readonly config: Config;
  /** By the names that current diffusers gives them; text encoders always with `text_model.` in front. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

export interface ModelFolder {
  /** The folder's name, e.g. `krona-emoji`. */
  readonly name: string;
  /** Real path. */
  readonly path: string;
  readonly architecture: 'sdxl';
  /** In the order in which their states are joined. The last has the projection for pooled text. */
  readonly textEncoders: readonly [ModelComponent<ClipTextConfig>, ModelComponent<ClipTextConfig>];
  /** Folders of the tokenizers, in the order of the text encoders. */
  readonly tokenizers: readonly [string, string];
  readonly unet: ModelComponent<UNetConfig>;
  readonly vae: ModelComponent<VaeConfig>;
  /** scheduler/scheduler_config.json as it is. */
  readonly scheduler: Readonly<Record<string, unknown>>;
  /** Without a negative prompt the unconditional states are zeros, not the encoding of an empty text. */
  readonly forceZerosForEmptyPrompt: boolean;
}

/** model_index.json's class → what its parts must be. */
const SDXL_PARTS = {
  text_encoder: 'CLIPTextModel',
  text_encoder_2: 'CLIPTextModelWithProjection',
  unet: 'UNet2DConditionModel',
  vae: 'AutoencoderKL',
} as const;

/**
 * Opens a folder as saved by diffusers, or as a model hub's cache holds it (links are followed).
 *
 * @throws KronaError MODEL_NOT_FOUND, MODEL_ARCHITECTURE_UNSUPPORTED, MODEL_CONFIG_*, MODEL_FILE_MISSING,
 * MODEL_INDEX_INVALID, SAFETENSORS_*
 */
export async function openModelFolder(path: string): Promise<ModelFolder> {
  const real = await realpath(path).catch(() => null);
  if (real === null || !(await stat(real)).isDirectory())
    throw new KronaError(
      'MODEL_NOT_FOUND',
      `There is no model folder ${basename(path)}; give a folder with a model_index.json.`,
    );
  const index = new ConfigFields('model_index.json', await readJson(real, 'model_index.json'));
  const pipeline = index.get('_class_name');
  if (pipeline !== 'StableDiffusionXLPipeline')
    throw new KronaError(
      'MODEL_ARCHITECTURE_UNSUPPORTED',
      `model_index.json names the pipeline ${JSON.stringify(pipeline)}; supported: StableDiffusionXLPipeline.`,
    );
  for (const [part, expected] of Object.entries(SDXL_PARTS)) {
    const entry = index.get(part);
    const found: unknown = Array.isArray(entry) ? entry[1] : entry;
    if (found !== expected)
      throw new KronaError(
        'MODEL_ARCHITECTURE_UNSUPPORTED',
        `model_index.json names ${part} ${JSON.stringify(found)}; supported: ${expected}.`,
      );
  }

  const textEncoder = async (name: string, projected: boolean): Promise<ModelComponent<ClipTextConfig>> => ({
    name,
    config: clipTextConfig(`${name}/config.json`, await readJson(real, `${name}/config.json`), projected),
    tensors: clipTensors(await componentTensors(real, name)),
  });
  const first = await textEncoder('text_encoder', false);
  const second = await textEncoder('text_encoder_2', true);
  const unet = {
    name: 'unet',
    config: unetConfig('unet/config.json', await readJson(real, 'unet/config.json')),
    tensors: await componentTensors(real, 'unet'),
  };
  const vae = {
    name: 'vae',
    config: vaeConfig('vae/config.json', await readJson(real, 'vae/config.json')),
    tensors: vaeTensors(await componentTensors(real, 'vae')),
  };
  checkWidths(first.config, second.config, unet.config, vae.config);
  return {
    name: basename(path) === '.' ? basename(real) : basename(path),
    path: real,
    architecture: 'sdxl',
    textEncoders: [first, second],
    tokenizers: [join(real, 'tokenizer'), join(real, 'tokenizer_2')],
    unet,
    vae,
    scheduler: await readJson(real, 'scheduler/scheduler_config.json'),
    forceZerosForEmptyPrompt: index.flag('force_zeros_for_empty_prompt', true),
  };
}

/** Number of parameters that a component's files hold. */
export function parameterCount(component: ModelComponent<unknown>): number {
  let count = 0;
  for (const { shape } of component.tensors.values()) count += elementCount(shape);
  return count;
}

/** transformers 5 writes CLIPTextModel without `text_model.`; older files also hold the constant position ids. */
function clipTensors(files: ReadonlyMap<string, StoredTensor>): ReadonlyMap<string, StoredTensor> {
  const named = new Map<string, StoredTensor>();
  for (const [name, tensor] of files) {
    if (name.endsWith('embeddings.position_ids')) continue;
    named.set(/^(embeddings|encoder|final_layer_norm)\./.test(name) ? `text_model.${name}` : name, tensor);
  }
  return named;
}

const OLD_ATTENTION: Readonly<Record<string, string>> = {
  query: 'to_q',
  key: 'to_k',
  value: 'to_v',
  proj_attn: 'to_out.0',
};

/** Old VAE files name the middle attention's projections otherwise and store them as 1×1 convolutions. */
function vaeTensors(files: ReadonlyMap<string, StoredTensor>): ReadonlyMap<string, StoredTensor> {
  const named = new Map<string, StoredTensor>();
  for (const [name, tensor] of files) {
    const renamed = name.replace(
      /(\.attentions\.\d+\.)(query|key|value|proj_attn)\./,
      (_, path: string, old: string) => `${path}${OLD_ATTENTION[old]}.`,
    );
    const projection = /\.attentions\.\d+\.to_.*\.weight$/.test(renamed);
    const [out, input, ...kernel] = tensor.shape;
    const pointwise = kernel.length === 2 && kernel.every((size) => size === 1);
    named.set(renamed, projection && pointwise ? { ...tensor, shape: [out!, input!] } : tensor);
  }
  return named;
}

/** Widths at which one part meets another. */
function checkWidths(first: ClipTextConfig, second: ClipTextConfig, unet: UNetConfig, vae: VaeConfig): void {
  const mismatch = (what: string, found: number, expected: number) => {
    if (found !== expected)
      throw new KronaError(
        'MODEL_CONFIG_INVALID',
        `The parts do not fit: ${what} is ${found}, expected ${expected}.`,
      );
  };
  if (unet.addition_embed_type !== 'text_time')
    throw new KronaError(
      'MODEL_CONFIG_UNSUPPORTED',
      'unet/config.json: "addition_embed_type" is null; an SDXL pipeline needs "text_time".',
    );
  mismatch(
    "unet's cross_attention_dim (the text encoders' hidden_size together)",
    unet.cross_attention_dim,
    first.hidden_size + second.hidden_size,
  );
  mismatch(
    "unet's projection_class_embeddings_input_dim (text_encoder_2's projection_dim + 6 × addition_time_embed_dim)",
    unet.projection_class_embeddings_input_dim,
    second.projection_dim! + 6 * unet.addition_time_embed_dim,
  );
  mismatch("unet's in_channels (the VAE's latent_channels)", unet.in_channels, vae.latent_channels);
  mismatch("unet's out_channels (the VAE's latent_channels)", unet.out_channels, vae.latent_channels);
}
