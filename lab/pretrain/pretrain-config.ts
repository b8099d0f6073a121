/** @file Reads the configuration file of a pretraining: training data, sizes of the parts, and length of each stage. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { KronaError } from '../../core/errors.ts';
import { isFileError } from '../../core/files.ts';
import { isJsonObject } from '../../core/json-object.ts';
import {
  clipTextConfig,
  unetConfig,
  vaeConfig,
  type ClipTextConfig,
  type UNetConfig,
  type VaeConfig,
} from '../../gpu-worker/models/model-configs.ts';
import { checkFit } from '../../gpu-worker/models/model-fit.ts';
import { vaeScale } from '../../gpu-worker/models/vae.ts';
import { noiseSchedule } from '../../gpu-worker/training/noise-schedule.ts';
import type { PretrainData } from './concepts.ts';
import {
  checkConfig,
  dataSchema,
  trainingSchema,
  wrongConfig,
  type TrainingSettings,
} from './config-schema.ts';

type JsonObject = Readonly<Record<string, unknown>>;

/** Sections of the key `models`. */
const SECTIONS = ['vae', 'unet', 'text_encoder', 'text_encoder_2', 'scheduler'] as const;

export interface PretrainConfig {
  readonly data: PretrainData;
  /** The config.json of each part, without the vocabulary sizes and the scaling factor, which are filled in later. */
  readonly raw: Readonly<Record<(typeof SECTIONS)[number], JsonObject>>;
  readonly vae: VaeConfig;
  readonly unet: UNetConfig;
  /** Without vocab_size and the special token ids, which depend on the vocabulary. */
  textEncoders(vocabulary: {
    readonly size: number;
    readonly end: number;
  }): readonly [ClipTextConfig, ClipTextConfig];
  readonly training: TrainingSettings;
}

/** The configuration of the embedded model. */
export const defaultConfigPath = fileURLToPath(new URL('./krona-emoji.json', import.meta.url));

/**
 * Reads the training data of a configuration: the key `data`.
 *
 * @throws KronaError PRETRAIN_CONFIG naming the first value that is missing or wrong
 */
export async function readPretrainData(path: string = defaultConfigPath): Promise<PretrainData> {
  return checkData((await readConfigFile(path))['data']);
}

/** @throws KronaError PRETRAIN_CONFIG, MODEL_CONFIG_* naming the first value that is missing or wrong */
export async function readPretrainConfig(path: string): Promise<PretrainConfig> {
  const file = await readConfigFile(path);
  const data = checkData(file['data']);
  const training = checkConfig(trainingSchema, 'training', file['training']);
  const raw = checkSections(file['models']);
  const [vae, unet] = [vaeConfig('models.vae', raw.vae), unetConfig('models.unet', raw.unet)];
  const textEncoders: PretrainConfig['textEncoders'] = ({ size, end }) => {
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
  };
  const { vocabularySize: size } = data.tokenizer;
  checkFit('sdxl', textEncoders({ size, end: size - 1 }), unet, vae);
  noiseSchedule(raw.scheduler);
  const scale = vaeScale(vae);
  for (const [key, side] of Object.entries({ 'data.size': data.size, 'data.crops.side': data.crops.side }))
    if (side % scale !== 0)
      throw wrongConfig(
        `"${key}" is ${side}; expected a multiple of ${scale}, the factor between pictures and latents`,
      );
  return { data, raw, training, vae, unet, textEncoders };
}

async function readConfigFile(path: string): Promise<JsonObject> {
  let file: unknown;
  try {
    file = JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    const what = isFileError(cause, 'ENOENT') ? 'does not exist' : "isn't valid JSON";
    throw new KronaError('PRETRAIN_CONFIG', `The pretraining configuration ${basename(path)} ${what}.`, {
      cause,
    });
  }
  return isJsonObject(file) ? file : {};
}

/** Checks each value, then how they fit together. */
function checkData(value: unknown): PretrainData {
  const data = checkConfig(dataSchema, 'data', value);
  const { concepts, styles, backgrounds, placement, wearables = [] } = data;
  const names: readonly (readonly [string, readonly string[]])[] = [
    ['concept', concepts.flatMap(({ word, also = [] }) => [word, ...also])],
    ['code point', concepts.map(({ hex }) => hex)],
    ['style', styles.map(({ word }) => word)],
    ['background', backgrounds.map(({ name }) => name)],
  ];
  for (const [kind, list] of names) {
    const twice = list.find((name, index) => list.indexOf(name) !== index);
    if (twice !== undefined) throw wrongConfig(`the ${kind} "${twice}" occurs twice`);
  }
  const sums = {
    'data.placement.corners + counts + pairs + wearing + sizes':
      placement.corners +
      placement.counts +
      placement.pairs +
      (placement.wearing ?? 0) +
      (placement.sizes ?? 0),
  };
  for (const [name, sum] of Object.entries(sums))
    if (sum > 1 + 1e-9) throw wrongConfig(`${name} is ${sum}; expected 1 at most`);
  for (const { hex } of wearables)
    if (!concepts.some((concept) => concept.hex === hex))
      throw wrongConfig(`the wearable "${hex}" is not among the concepts`);
  const [low, high] = placement.scale;
  if (low > high)
    throw wrongConfig(`"data.placement.scale" is [${low}, ${high}]; expected the smaller first`);
  return data;
}

function checkSections(models: unknown): PretrainConfig['raw'] {
  const sections = isJsonObject(models) ? models : {};
  const missing = SECTIONS.find((name) => !isJsonObject(sections[name]));
  if (missing !== undefined) throw wrongConfig(`"models.${missing}" is missing`);
  return sections as PretrainConfig['raw'];
}
