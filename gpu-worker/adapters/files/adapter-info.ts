/**
 * @file An adapter file's metadata: kohya's keys, which other programs look at, and our own. All values are text. Key lists: sd-scripts library/train_util.py (`ss_…`) and sai_model_spec.py (`modelspec.…`).
 */
import { isInteger } from '../../models/config-fields.ts';
import type { Architecture } from '../../models/architecture.ts';
import type { NetworkFacts } from '../forms/form.ts';
import type { NameStyle } from './module-names.ts';
import type { BlockLayers } from './unet-layers.ts';

/** How an adapter was made, as its file says. */
export interface AdapterInfo {
  /** Name of the model that it was trained on, and a fingerprint of its UNet. */
  readonly baseModel: string;
  readonly baseHash: string;
  /** Of the method krona. */
  readonly a1?: number;
  readonly a2?: number;
  /** Of the method lora. */
  readonly rank?: number;
  readonly alpha?: number;
  /** Share of its strength at pure noise, if it depends on the noise (noise-strength.ts). */
  readonly noiseStrength?: number;
  /** The subject's token in prompts, and its class word. */
  readonly subjectToken: string;
  readonly subjectClass: string;
  readonly steps: number;
  readonly seed: number;
  /** Side of the training pictures, pixels. */
  readonly resolution: number;
  readonly predictionType: string;
  /** All settings of the run, as JSON values. */
  readonly settings: Readonly<Record<string, unknown>>;
}

/** The architectures that file names and metadata distinguish. */
export type Family = 'sdxl' | 'sd1' | 'sd2';

interface FamilyFacts {
  readonly style: NameStyle;
  /** kohya's word, which the web UIs read. */
  readonly version: string;
  readonly v2: 'True' | 'False';
  readonly architecture: string;
  readonly implementation: string;
}

export const FAMILIES: Readonly<Record<Family, FamilyFacts>> = {
  sdxl: {
    style: 'ldm',
    version: 'sdxl_base_v1-0',
    v2: 'False',
    architecture: 'stable-diffusion-xl-v1-base/lora',
    implementation: 'https://github.com/Stability-AI/generative-models',
  },
  sd1: {
    style: 'diffusers',
    version: 'sd_v1',
    v2: 'False',
    architecture: 'stable-diffusion-v1/lora',
    implementation: 'diffusers',
  },
  sd2: {
    style: 'diffusers',
    version: 'sd_v2',
    v2: 'True',
    architecture: 'stable-diffusion-v2-512/lora',
    implementation: 'diffusers',
  },
};

export function familyOf(architecture: Architecture): Family {
  return architecture === 'sd1' || architecture === 'sd2' ? architecture : 'sdxl';
}

/** sd-scripts' words for SD models that predict velocity. */
const VELOCITY: Partial<Record<Family, Pick<FamilyFacts, 'version'> & Partial<FamilyFacts>>> = {
  sd1: { version: 'sd_v1_v' },
  sd2: { version: 'sd_v2_v', architecture: 'stable-diffusion-v2-768-v/lora' },
};

export function adapterMetadata(
  info: AdapterInfo,
  layers: BlockLayers,
  family: Family,
  network: NetworkFacts,
): Map<string, string> {
  const { resolution } = info;
  const velocity = info.predictionType === 'v_prediction';
  const facts = { ...FAMILIES[family], ...(velocity ? VELOCITY[family] : {}) };
  const optional = (key: string, value: unknown): [string, string][] =>
    value === undefined ? [] : [[key, typeof value === 'string' ? value : JSON.stringify(value)]];
  return new Map([
    ...Object.entries({
      format: 'pt',
      // kohya's. The web UIs recognise SDXL files by the version.
      ss_v2: facts.v2,
      ss_base_model_version: facts.version,
      ss_sd_model_name: info.baseModel,
      ss_network_module: network.module,
      ss_network_dim: network.dim,
      ss_network_alpha: network.alpha,
      ss_steps: String(info.steps),
      ss_seed: String(info.seed),
      ss_resolution: `(${resolution}, ${resolution})`,
      ss_output_name: info.subjectToken,
      'modelspec.sai_model_spec': '1.0.1',
      'modelspec.architecture': facts.architecture,
      'modelspec.implementation': facts.implementation,
      'modelspec.title': `${info.subjectToken} ${info.subjectClass}`,
      'modelspec.resolution': `${resolution}x${resolution}`,
      'modelspec.prediction_type': velocity ? 'v' : info.predictionType,
      'modelspec.trigger_phrase': `${info.subjectToken} ${info.subjectClass}`,
      // Ours.
      'krona.version': '1',
      'krona.base_model': info.baseModel,
      'krona.base_hash': info.baseHash,
      'krona.layers_per_block': JSON.stringify(layers),
      'krona.subject_token': info.subjectToken,
      'krona.subject_class': info.subjectClass,
      'krona.steps': String(info.steps),
      'krona.seed': String(info.seed),
      'krona.resolution': String(resolution),
      'krona.prediction_type': info.predictionType,
      'krona.settings': JSON.stringify(info.settings),
    }),
    ...optional('ss_network_args', network.args),
    ...optional('krona.a1', info.a1),
    ...optional('krona.a2', info.a2),
    ...optional('krona.rank', info.rank),
    ...optional('krona.alpha', info.alpha),
    ...optional(NOISE_STRENGTH, info.noiseStrength),
  ]);
}

const NOISE_STRENGTH = 'krona.noise_strength';

/** A file's share of strength at pure noise; undefined without a number from 0 to 1. */
export function noiseStrengthOf(metadata: ReadonlyMap<string, string>): number | undefined {
  const value = Number(metadata.get(NOISE_STRENGTH)?.trim() || NaN);
  return value >= 0 && value <= 1 ? value : undefined;
}

/** The subject's words in prompts, token and class; undefined for a file of another program. */
export function subjectOf(metadata: ReadonlyMap<string, string>): string | undefined {
  const words = ['krona.subject_token', 'krona.subject_class'].map((key) => metadata.get(key) ?? '');
  return words.includes('') ? undefined : words.join(' ');
}

/** The info that `adapterMetadata` stored; null for a file of another program. */
export function adapterInfo(metadata: ReadonlyMap<string, string>): AdapterInfo | null {
  if (metadata.get('krona.version') !== '1') return null;
  const text = (key: string) => metadata.get(`krona.${key}`) ?? '';
  const numbers = Object.fromEntries(
    ['a1', 'a2', 'rank', 'alpha'].flatMap((key) => {
      const value = metadata.get(`krona.${key}`);
      return value === undefined ? [] : [[key, Number(value)]];
    }),
  );
  const noiseStrength = noiseStrengthOf(metadata);
  return {
    baseModel: text('base_model'),
    baseHash: text('base_hash'),
    ...numbers,
    ...(noiseStrength === undefined ? {} : { noiseStrength }),
    subjectToken: text('subject_token'),
    subjectClass: text('subject_class'),
    steps: Number(text('steps')),
    seed: Number(text('seed')),
    resolution: Number(text('resolution')),
    predictionType: text('prediction_type'),
    settings: parseJson(text('settings'), {}),
  };
}

/** Metadata can come from anybody: a value that is not the expected JSON (an object, a list) counts as absent. */
export function parseJson<T extends object>(text: string | undefined, fallback: T): T {
  try {
    const value: unknown = JSON.parse(text ?? '');
    return typeof value === 'object' && value !== null && Array.isArray(value) === Array.isArray(fallback)
      ? (value as T)
      : fallback;
  } catch {
    return fallback;
  }
}

/** Layers of every published SD and SDXL UNet, for files that don't say theirs. */
const USUAL_LAYERS: BlockLayers = [2, 2, 2, 2];

/** layers_per_block by which a file's names count. */
export function fileLayers(metadata: ReadonlyMap<string, string>): BlockLayers {
  const said = parseJson<readonly unknown[]>(metadata.get('krona.layers_per_block'), []);
  const counts = said.filter((count) => isInteger(count, 1, 8));
  return counts.length > 0 && counts.length <= 8 && counts.length === said.length ? counts : USUAL_LAYERS;
}
