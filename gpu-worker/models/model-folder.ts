/**
 * @file Opens a diffusers model folder of the SD 1.x, SD 2.x or SDXL architecture: configs are checked and typed,
 * tensors are located under one set of names, and nothing is loaded. The models decide which tensors they need.
 */
import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { at } from '../../core/at.ts';
import { KronaError } from '../../core/errors.ts';
import { ARCHITECTURES, type Architecture } from './architecture.ts';
import { ConfigFields, quoted } from './config-fields.ts';
import { cachedSnapshot, modelName } from './hub-cache.ts';
import {
  clipTextConfig,
  unetConfig,
  vaeConfig,
  type ClipTextConfig,
  type UNetConfig,
  type VaeConfig,
} from './model-configs.ts';
import { componentTensors, noModelFolder, readJson } from './model-files.ts';
import { checkFit } from './model-fit.ts';
import type { ModelTensor } from './parameters.ts';
import type { StoredTensor } from './safetensors.ts';
import type { TokenizerFiles } from './tokenizer.ts';

export interface ModelComponent<Config> {
  /** Folder inside the model folder, e.g. `text_encoder_2`. */
  readonly name: string;
  readonly config: Config;
  /** By current diffusers' names; text encoders always with the prefix `text_model.`. */
  readonly tensors: ReadonlyMap<string, ModelTensor>;
  /** A parameter's name in the file, if it differs from diffusers'. */
  readonly fileName?: (parameter: string) => string;
}

/** A model: a diffusers folder, or a single file read as one. */
export interface ModelFolder {
  /** The folder's name, e.g. `krona-emoji`, or the file's without its extension. */
  readonly name: string;
  /** Real path. */
  readonly path: string;
  readonly architecture: Architecture;
  /**
   * In the order in which their states are concatenated. With `text_time` the last has the projection for pooled text.
   */
  readonly textEncoders: readonly [ModelComponent<ClipTextConfig>, ...ModelComponent<ClipTextConfig>[]];
  /** In the order of the text encoders. */
  readonly tokenizers: readonly [TokenizerFiles, ...TokenizerFiles[]];
  readonly unet: ModelComponent<UNetConfig>;
  readonly vae: ModelComponent<VaeConfig>;
  /** scheduler/scheduler_config.json, unchanged. */
  readonly scheduler: Readonly<Record<string, unknown>>;
  /** Whether the unconditional states without a negative prompt are zeros instead of an empty text's encoding. */
  readonly forceZerosForEmptyPrompt: boolean;
  /** Unused tensors of a single file. */
  readonly extra: readonly string[];
}

/** Parts of each architecture with their class names in model_index.json. */
const TEXT_PARTS: Readonly<Record<Architecture, Readonly<Record<string, string>>>> = {
  sd1: { text_encoder: 'CLIPTextModel' },
  sd2: { text_encoder: 'CLIPTextModel' },
  sdxl: { text_encoder: 'CLIPTextModel', text_encoder_2: 'CLIPTextModelWithProjection' },
  'sdxl-refiner': { text_encoder_2: 'CLIPTextModelWithProjection' },
};
const OTHER_PARTS = { unet: 'UNet2DConditionModel', vae: 'AutoencoderKL' };

const XL_PIPELINES = [
  'StableDiffusionXLPipeline',
  'StableDiffusionXLImg2ImgPipeline',
  'StableDiffusionXLInpaintPipeline',
];
const SD_PIPELINES = [
  'StableDiffusionPipeline',
  'StableDiffusionImg2ImgPipeline',
  'StableDiffusionInpaintPipeline',
  'LatentConsistencyModelPipeline',
  'LatentConsistencyModelImg2ImgPipeline',
];

/**
 * Opens a folder as saved by diffusers, or as a model hub's cache holds it (links are followed): a snapshot, or the
 * repository's folder, which stands for its `main`.
 *
 * @throws KronaError MODEL_NOT_FOUND, MODEL_ARCHITECTURE_UNSUPPORTED, MODEL_CONFIG_*, MODEL_FILE_MISSING,
 * MODEL_INDEX_INVALID, SAFETENSORS_*
 */
export async function openModelFolder(path: string): Promise<ModelFolder> {
  const given = await realpath(path).catch(() => null);
  if (given === null || !(await stat(given)).isDirectory())
    throw new KronaError(
      'MODEL_NOT_FOUND',
      `There is no model folder ${basename(path)}; give a folder with a model_index.json.`,
    );
  const real = (await cachedSnapshot(given)) ?? given;
  if (!(await readdir(real)).includes('model_index.json')) throw await noModelFolder(real);
  const index = new ConfigFields('model_index.json', await readJson(real, 'model_index.json'));
  checkPipeline(index);
  const unetJson = await readJson(real, 'unet/config.json');
  const architecture = architectureOf(index, unetJson);
  const textParts = Object.entries(TEXT_PARTS[architecture]);
  for (const [part, expected] of [...textParts, ...Object.entries(OTHER_PARTS)])
    checkPart(index, part, expected);

  const textEncoders = await Promise.all(textParts.map(([name, type]) => openTextEncoder(real, name, type)));
  const { timeIds } = ARCHITECTURES[architecture];
  const unet = await openUnet(real, timeIds);
  const vae = await openVae(real);
  const textConfigs = textEncoders.map(({ config }) => config);
  checkFit(architecture, textConfigs, unet.config, vae.config);
  const tokenizers = textEncoders.map(({ name }) => ({
    folder: join(real, name.replace('text_encoder', 'tokenizer')),
  }));
  return {
    name: basename(path) === '.' || real !== given ? modelName(real) : modelName(resolve(path)),
    path: real,
    architecture,
    textEncoders: [at(textEncoders, 0), ...textEncoders.slice(1)],
    tokenizers: [at(tokenizers, 0), ...tokenizers.slice(1)],
    unet,
    vae,
    scheduler: await readJson(real, 'scheduler/scheduler_config.json'),
    // SD's pipelines encode an empty prompt; only SDXL's have this field, which defaults to true.
    forceZerosForEmptyPrompt: timeIds > 0 && index.flag('force_zeros_for_empty_prompt', true),
    extra: [],
  };
}

async function openUnet(folder: string, timeIds?: number): Promise<ModelComponent<UNetConfig>> {
  const file = 'unet/config.json';
  return {
    name: 'unet',
    config: unetConfig(file, await readJson(folder, file), timeIds),
    tensors: await componentTensors(folder, 'unet'),
  };
}

async function openVae(folder: string): Promise<ModelComponent<VaeConfig>> {
  const file = 'vae/config.json';
  return {
    name: 'vae',
    config: vaeConfig(file, await readJson(folder, file)),
    tensors: vaeTensors(await componentTensors(folder, 'vae')),
  };
}

export interface FolderParts {
  readonly unet?: ModelComponent<UNetConfig>;
  readonly textEncoders: readonly ModelComponent<ClipTextConfig>[];
  readonly vae?: ModelComponent<VaeConfig>;
}

/** The parts of an incomplete folder that open, for reports. Drawing needs them all: `openModelFolder`. */
export async function openFolderParts(path: string): Promise<FolderParts> {
  const given = await realpath(path);
  const folder = (await cachedSnapshot(given)) ?? given;
  const any = <T>(part: Promise<T>): Promise<T | undefined> => part.catch(() => undefined);
  const unet = await any(openUnet(folder));
  const vae = await any(openVae(folder));
  const encoders = await Promise.all(
    Object.entries(TEXT_PARTS.sdxl).map(([name, type]) => any(openTextEncoder(folder, name, type))),
  );
  return {
    ...(unet && { unet }),
    textEncoders: encoders.filter((encoder) => encoder !== undefined),
    ...(vae && { vae }),
  };
}

async function openTextEncoder(
  folder: string,
  name: string,
  type: string,
): Promise<ModelComponent<ClipTextConfig>> {
  const file = `${name}/config.json`;
  return {
    name,
    config: clipTextConfig(file, await readJson(folder, file), type === 'CLIPTextModelWithProjection'),
    tensors: clipTensors(await componentTensors(folder, name)),
  };
}

function checkPipeline(index: ConfigFields): void {
  const pipeline = index.get('_class_name');
  const supported = [...XL_PIPELINES, ...SD_PIPELINES];
  if (!supported.some((name) => name === pipeline))
    throw new KronaError(
      'MODEL_ARCHITECTURE_UNSUPPORTED',
      `model_index.json names the pipeline ${quoted(pipeline)}; supported: ${supported.join(', ')}.`,
    );
}

/** SD 1.x and 2.x share their pipeline; only SD 2.x has matrices as input projections of its transformers. */
function architectureOf(index: ConfigFields, unetJson: Readonly<Record<string, unknown>>): Architecture {
  const pipeline = index.get('_class_name');
  if (SD_PIPELINES.some((name) => name === pipeline))
    return unetJson['use_linear_projection'] === true ? 'sd2' : 'sd1';
  const first = className(index, 'text_encoder');
  return first === null && className(index, 'text_encoder_2') !== null ? 'sdxl-refiner' : 'sdxl';
}

/** `["diffusers", "AutoencoderKL"]` → AutoencoderKL; null for an omitted part. */
function className(index: ConfigFields, part: string): unknown {
  const entry = index.get(part);
  if (!Array.isArray(entry)) return entry;
  const pair: readonly unknown[] = entry;
  return pair[1];
}

function checkPart(index: ConfigFields, part: string, expected: string): void {
  const found = className(index, part);
  if (found !== expected)
    throw new KronaError(
      'MODEL_ARCHITECTURE_UNSUPPORTED',
      `model_index.json names ${part} ${quoted(found)}; supported: ${expected}.`,
    );
}

/** transformers 5 writes CLIPTextModel without `text_model.`; older files also contain the constant position ids. */
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

/** Old VAE files use other names for the middle attention's projections and store them as 1×1 convolutions. */
function vaeTensors(files: ReadonlyMap<string, StoredTensor>): ReadonlyMap<string, StoredTensor> {
  const named = new Map<string, StoredTensor>();
  for (const [name, tensor] of files) {
    const renamed = name.replace(
      /(\.attentions\.\d+\.)(query|key|value|proj_attn)\./,
      (_, path: string, old: string) => `${path}${OLD_ATTENTION[old]}.`,
    );
    const projection = /\.attentions\.\d+\.to_.*\.weight$/.test(renamed);
    const kernel = tensor.shape.slice(2);
    const pointwise = kernel.length === 2 && kernel.every((size) => size === 1);
    named.set(renamed, projection && pointwise ? { ...tensor, shape: tensor.shape.slice(0, 2) } : tensor);
  }
  return named;
}
