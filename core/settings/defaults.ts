/** @file What settings start with: the defaults of the table on a model. */
import { gcd } from '../gcd.ts';
import type { Value } from '../values.ts';
import { targetsOf, type Method } from './choices.ts';
import { SMALL_MODEL, trainedProjections, type ModelCard } from './model-card.ts';
import { ALL_CHAT_SETTINGS, inChat, SETTINGS, type ChannelSettings } from './schema.ts';
import type { ByModel, Setting } from './setting.ts';

type DefaultOf<S> = S extends { readonly default: infer D } ? (D extends ByModel ? D[keyof D] : D) : never;

const isSmall = (model: ModelCard | null): boolean => model === null || model.nativeSize <= SMALL_MODEL;

function onModel({ default: value }: Pick<Setting, 'default'>, model: ModelCard | null): Value | null {
  if (value === null || typeof value !== 'object') return value;
  if (isSmall(model)) return value.small;
  return model?.architecture.startsWith('sdxl') && value.sdxl !== undefined ? value.sdxl : value.large;
}

/**
 * The table's default of a setting.
 *
 * @param model null: not known yet, taken for a small one
 */
export function defaultOf<K extends keyof typeof SETTINGS>(
  key: K,
  model: ModelCard | null = null,
): DefaultOf<(typeof SETTINGS)[K]> {
  return onModel(SETTINGS[key], model) as DefaultOf<(typeof SETTINGS)[K]>;
}

/**
 * What `auto` of a setting stands for, by setting.
 *
 * @param model null: not known yet, taken for a small one
 */
export function autoValues(
  { auto = {} }: Pick<Setting, 'auto'>,
  model: ModelCard | null,
): [string, Value | null][] {
  return Object.entries(auto).map(([key, value]) => [key, onModel({ default: value }, model)]);
}

const inWords = (value: Value | null): string =>
  value === null ? "the model's" : typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value);

/** The word that leaves a setting to the model. */
const MODEL = 'model';

/** What help says that the command line does without an option: `1000; small models: 200`. */
export function defaultText({ default: value, cli, orWord = MODEL }: Setting): string {
  if (cli?.default !== undefined) return cli.default;
  if (value === null && orWord !== MODEL) return orWord;
  if (value === null || typeof value !== 'object') return inWords(value);
  const { large, sdxl = large, small } = value;
  return [
    inWords(large),
    ...(sdxl === large ? [] : [`SDXL: ${inWords(sdxl)}`]),
    ...(small === large ? [] : [`small models: ${inWords(small)}`]),
  ].join('; ');
}

/**
 * The learning rate at which each method starts on a model. Large ones as the paper tunes them on SDXL: 5e-4 for krona, 1e-4
 * for LoRA (arXiv 2402.17412, §4.1), 5e-6 for full fine-tuning (DreamBooth, arXiv 2208.12242, §4). Small ones by the grid
 * of docs/evaluation.md.
 *
 * @param model null: not known yet
 */
export function startingRates(model: ModelCard | null): Readonly<Record<Method, number>> {
  const krona = defaultOf('lr', model);
  return isSmall(model) ? { krona, lora: 2e-3, full: 2e-4 } : { krona, lora: 1e-4, full: 5e-6 };
}

/**
 * What a channel starts with on a model, until somebody changes it. Factors are reduced until they divide all widths that
 * are trained.
 *
 * @param model null: not known yet
 */
export function startingSettings(model: ModelCard | null): ChannelSettings {
  const values = ALL_CHAT_SETTINGS.map((key) => {
    const setting = inChat(key);
    return [key, setting.orWord === undefined ? onModel(setting, model) : null] as const;
  });
  const settings = Object.fromEntries(values) as unknown as ChannelSettings;
  const { steps, guidance } = model?.fewSteps ?? {
    steps: settings.samplingSteps,
    guidance: settings.guidance,
  };
  const projections = model ? trainedProjections(targetsOf(settings.targets), model) : [];
  const common = (start: number, width: 'out' | 'in') =>
    projections.reduce((divisor, projection) => gcd(divisor, projection[width]), start);
  return {
    ...settings,
    samplingSteps: steps,
    guidance,
    a1: common(settings.a1, 'out'),
    a2: common(settings.a2, 'in'),
  };
}

/** Starting values for the embedded model. */
export const DEFAULT_SETTINGS: ChannelSettings = startingSettings(null);
