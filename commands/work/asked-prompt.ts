/** @file A prompt as members type it: with flags, styles, weights and alternatives. */
import { KronaError } from '../../core/errors.ts';
import { alternativesOf } from '../../core/prompts/alternatives.ts';
import { PROMPT_FLAGS, splitFlags, type PromptFlag } from '../../core/prompts/flags.ts';
import { joinedNegatives, styledPrompt } from '../../core/prompts/styles.ts';
import { weightedSpans } from '../../core/prompts/weights.ts';
import type { Channel } from '../../core/records.ts';
import { MAX_SEED } from '../../core/seeds.ts';
import type { ModelCard } from '../../core/settings/model-card.ts';
import { readShape, sizeOfShape } from '../../core/settings/picture-size.ts';
import { SETTINGS } from '../../core/settings/schema.ts';
import { readValue, type Value, type ValueSpec } from '../../core/values.ts';
import type { Records } from '../../storage/records.ts';
import type { OptionData } from '../contract.ts';
import { requireStyles } from './style.ts';

/** Most characters of a prompt; the text encoders read it in chunks of 75 tokens. */
export const MAX_PROMPT = 1000;
/** Instead of a negative prompt: not the channel's either. */
const NONE = 'none';

export const SEED = {
  name: 'seed',
  description: 'Same seed, same picture (default: random)',
  type: 'integer',
  min: 0,
  max: MAX_SEED,
} as const satisfies OptionData;

/** A prompt and the options that belong to it, as they were typed. */
export interface TypedPrompt {
  readonly prompt: string;
  readonly negative?: string | undefined;
  readonly seed?: number | undefined;
  readonly steps?: Value | undefined;
  readonly size?: Value | undefined;
  readonly style?: string | undefined;
  readonly count?: Value | undefined;
}

export interface AskedPrompt {
  /** In its style, without flags. */
  readonly prompt: string;
  /** What its alternatives stand for; the prompt alone without any. */
  readonly alternatives: readonly string[];
  readonly seed: number | undefined;
  readonly steps: number | undefined;
  readonly size: Value | undefined;
  /** As asked for. */
  readonly count: number | undefined;
  /** The negative prompt in a channel whose own one is given. */
  readonly negativeIn: (ofChannel: string | null) => string | null;
}

/**
 * Reads what a member typed.
 *
 * @throws KronaError PROMPT_FLAG_UNKNOWN, PROMPT_FLAG_EMPTY, PROMPT_WEIGHT_INVALID, ALTERNATIVES_TOO_MANY, STYLE_UNKNOWN,
 * STYLES_TOO_MANY, PROMPT_TOO_LONG, SHAPE_INVALID, MODEL_UNKNOWN, OPTION_TWICE, OPTION_INVALID, OPTION_EMPTY
 */
export async function readPrompt(
  records: Records,
  channel: Channel,
  typed: TypedPrompt,
  model: ModelCard | null,
): Promise<AskedPrompt> {
  const { prompt: text, flags } = splitFlags(typed.prompt);
  const given = <V extends Value>(flag: PromptFlag, option: V | undefined): V | string | undefined => {
    if (flags[flag] !== undefined && option !== undefined)
      throw new KronaError(
        'OPTION_TWICE',
        `\`${PROMPT_FLAGS[flag]}\` is an option and in the prompt as \`--${flag}\`. Set it once.`,
      );
    return option ?? flags[flag];
  };
  const negative = given('no', typed.negative);
  const names = given('style', typed.style);
  const size = given('ar', typed.size);
  const seed = numberOf(SEED, given('seed', typed.seed));
  const { min, max } = SETTINGS.samplingSteps;
  const steps = numberOf({ name: 'steps', type: 'integer', min, max }, given('steps', typed.steps));
  if (text === '') throw new KronaError('OPTION_EMPTY', 'The prompt has only flags. Say what to draw.');

  const styles = await requireStyles(records, channel, names?.split(',') ?? []);
  const prompt = styledPrompt(text, styles);
  const count = typed.count === undefined ? undefined : Number(typed.count);
  const alternatives = alternativesOf(prompt, count ?? SETTINGS.count.max);
  const own = negative?.trim().toLowerCase() === NONE ? undefined : negative;
  for (const each of [...alternatives, own ?? '']) weightedSpans(each);
  return {
    prompt,
    alternatives,
    seed,
    steps,
    count,
    size: flags.ar === undefined ? size : sizeOfShape(readShape(flags.ar), required(model)),
    negativeIn: (ofChannel) =>
      joinedNegatives(own === negative ? ofChannel : null, ...styles.map((style) => style.negative), own),
  };
}

/** How many pictures a set has: as many as were asked for, else one of each alternative, else as usual. */
export const countOf = ({ alternatives, count }: AskedPrompt, usual: number): number =>
  count ?? (alternatives.length > 1 ? alternatives.length : usual);

const numberOf = (spec: ValueSpec, typed: Value | undefined): number | undefined =>
  typed === undefined ? undefined : Number(readValue(spec, typed));

/** @throws KronaError MODEL_UNKNOWN */
export function required(model: ModelCard | null): ModelCard {
  if (model !== null) return model;
  throw new KronaError(
    'MODEL_UNKNOWN',
    'The size must fit the model, and no worker has reported its model yet. Start the worker, then try again.',
    { retryable: true },
  );
}
