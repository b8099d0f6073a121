/**
 * @file Opens CLIP and DINO from transformers' folders, ready to compare pictures: config.json, preprocessor_config.json,
 * model.safetensors (or shards), and CLIP's tokenizer.
 */
import { realpath } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { KronaError } from '../../../core/errors.ts';
import type { RgbPicture } from '../../../core/pictures/cut-out.ts';
import { compileFunction } from '../../graph/compile.ts';
import * as op from '../../graph/ops.ts';
import { Session } from '../../graph/runtime.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { clipText, endPositions } from '../clip-text.ts';
import { cachedSnapshot, modelName } from '../hub-cache.ts';
import { componentTensors, readJson } from '../model-files.ts';
import {
  frozenParameters,
  parametersOf,
  tensorProblem,
  type ModelTensor,
  type Parameters,
} from '../parameters.ts';
import { checkVocabulary, loadTokenizer, type ClipTokenizer } from '../tokenizer.ts';
import { pixelValues, readPreprocessing, type Preprocessing } from './preprocess.ts';
import { clipVision, dinov2, vit } from './towers.ts';
import { towerConfig, type ClipConfig, type TowerConfig } from './vision-configs.ts';

/** A tower's folder, checked: nothing is loaded. */
export interface TowerFolder {
  /** The folder's name, or in a hub cache the repository's. */
  readonly name: string;
  /** Real path. */
  readonly path: string;
  readonly config: TowerConfig;
  readonly preprocessing: Preprocessing;
  readonly tensors: ReadonlyMap<string, ModelTensor>;
}

/** Gives a vector for a picture: compare them by cosine. */
export interface VisionTower {
  readonly name: string;
  /** Numbers of a vector. */
  readonly width: number;
  /** @param picture of any size */
  embed(picture: RgbPicture): Promise<Float32Array>;
  release(): Promise<void>;
}

/** CLIP: vectors of texts lie in the same space. */
export interface Clip extends VisionTower {
  /** Texts of more tokens than the tower reads are cut, as transformers does with `truncation`. */
  embedText(text: string): Promise<Float32Array>;
}

/**
 * Opens a folder as transformers saves it, or as a hub's cache holds it, and checks that every tensor is there.
 *
 * @throws KronaError MODEL_NOT_FOUND, MODEL_ARCHITECTURE_UNSUPPORTED, MODEL_CONFIG_*, MODEL_FILE_MISSING,
 * MODEL_INDEX_INVALID, MODEL_TENSOR_*, SAFETENSORS_*
 */
export async function openTowerFolder(path: string): Promise<TowerFolder> {
  const given = await realpath(path).catch(() => null);
  if (given === null)
    throw new KronaError(
      'MODEL_NOT_FOUND',
      `There is no folder ${basename(path)}; give one with CLIP or DINO as transformers saves it.`,
    );
  const real = (await cachedSnapshot(given)) ?? given;
  const raw = await readJson(real, 'config.json');
  const config = towerConfig('config.json', raw);
  const preprocessing = await readPreprocessing(real, config.model_type);
  const tensors = new Map(
    [...(await componentTensors(real, '.'))].map(([name, tensor]) => [ownName(config, name), tensor]),
  );
  const { width, height } = preprocessing.size;
  const shapes = parametersOf((p) => {
    towerOutput(config, p, op.input('pixels', [1, 3, height, width]));
    if (config.model_type === 'clip') textOutput(config, p, config.text.max_position_embeddings);
  });
  const name = real === given ? basename(resolve(path)) : modelName(real);
  for (const { name: parameter, shape } of shapes) {
    const problem = tensorProblem(`${name}: ${parameter}`, tensors.get(parameter), shape);
    if (problem !== null) throw problem;
  }
  return { name, path: real, config, preprocessing, tensors };
}

/** Classifiers are saved with their network under a name. */
const ownName = ({ model_type }: TowerConfig, name: string): string =>
  model_type !== 'clip' && name.startsWith(`${model_type}.`) ? name.slice(model_type.length + 1) : name;

function towerOutput(config: TowerConfig, p: Parameters, pixels: Tensor): Tensor {
  switch (config.model_type) {
    case 'clip':
      return clipVision(config, p, pixels);
    case 'vit':
      return vit(config, p, pixels);
    case 'dinov2':
      return dinov2(config, p, pixels);
  }
}

function textOutput({ text }: ClipConfig, p: Parameters, length: number): Tensor {
  const { pooled } = clipText(text, p, op.input('ids', [1, length], 'int64'), op.input('end', [1, length]));
  if (pooled === null) throw new RangeError('CLIP projects its texts');
  return pooled;
}

/**
 * Opens DINO or DINOv2.
 *
 * @throws KronaError as openTowerFolder; MODEL_ARCHITECTURE_UNSUPPORTED for CLIP
 */
export async function openDino(source: string | TowerFolder): Promise<VisionTower> {
  const folder = typeof source === 'string' ? await openTowerFolder(source) : source;
  if (folder.config.model_type === 'clip') throw otherKind(folder, 'DINO or DINOv2 (vit, dinov2)');
  return openVision(folder);
}

/**
 * Opens both of CLIP's towers.
 *
 * @throws KronaError as openTowerFolder; MODEL_ARCHITECTURE_UNSUPPORTED for another network, MODEL_TOKENIZER_*
 */
export async function openClip(source: string | TowerFolder): Promise<Clip> {
  const folder = typeof source === 'string' ? await openTowerFolder(source) : source;
  const { config } = folder;
  if (config.model_type !== 'clip') throw otherKind(folder, 'CLIP (clip)');
  const tokenizer = await loadTokenizer(folder.path);
  checkVocabulary(tokenizer, { name: folder.name, config: config.text });
  const vision = await openVision(folder);
  const text = await openText(folder, config, tokenizer);
  return {
    ...vision,
    embedText: (prompt) => text.embed(prompt),
    async release() {
      await vision.release();
      await text.release();
    },
  };
}

const otherKind = ({ name, config }: TowerFolder, expected: string): KronaError =>
  new KronaError(
    'MODEL_ARCHITECTURE_UNSUPPORTED',
    `${name} is of the model type ${config.model_type}; expected ${expected}. Give the folder of such a model.`,
  );

async function openVision(folder: TowerFolder): Promise<VisionTower> {
  const { config, preprocessing, tensors, name } = folder;
  const { width, height } = preprocessing.size;
  const p = frozenParameters(name, tensors);
  const session = await Session.create(
    compileFunction({ pixels: [1, 3, height, width] }, ({ pixels }) => ({
      vector: towerOutput(config, p, pixels),
    })),
  );
  return {
    name,
    width: config.model_type === 'clip' ? config.projection_dim : config.hidden_size,
    embed: async (picture) => (await session.run({ pixels: pixelValues(preprocessing, picture) })).vector,
    release: () => session.release(),
  };
}

async function openText({ tensors, name }: TowerFolder, config: ClipConfig, tokenizer: ClipTokenizer) {
  const { length } = tokenizer;
  const p = frozenParameters(name, tensors);
  const session = await Session.create(
    compileFunction({ ids: { shape: [1, length], dtype: 'int64' }, end: [1, length] }, ({ ids, end }) => {
      const { pooled } = clipText(config.text, p, ids, end);
      if (pooled === null) throw new RangeError('CLIP projects its texts');
      return { vector: pooled };
    }),
  );
  return {
    async embed(prompt: string): Promise<Float32Array> {
      const ids = tokenizer.encode(prompt);
      const feeds = { ids: BigInt64Array.from(ids, BigInt), end: endPositions(config.text, [ids]) };
      return (await session.run(feeds)).vector;
    },
    release: () => session.release(),
  };
}
