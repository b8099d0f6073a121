/** @file What `krona train` was given, as the options of a training. */
import { basename, join } from 'node:path';
import type { FactorPairs } from '../../gpu-worker/adapters/krona.ts';
import { modelCard } from '../../gpu-worker/adapters/model-card.ts';
import { openModel } from '../../gpu-worker/models/open-model.ts';
import { chosenOptions } from '../../gpu-worker/training/chosen-options.ts';
import type { Prior } from '../../gpu-worker/training/class-pictures.ts';
import { findMasks, readCaptions } from '../../gpu-worker/training/photo-sidecars.ts';
import { readPhotoFolder, type UnusedFile } from '../../gpu-worker/training/photo-folder.ts';
import { refineRecipe, type RefineOptions } from '../../gpu-worker/training/refine-options.ts';
import { trainDefaults, trainRecipe, type TrainOptions } from '../../gpu-worker/training/train-options.ts';
import { dataFolder } from '../../core/environment.ts';
import type { Device } from '../../core/config.ts';
import { KronaError } from '../../core/errors.ts';
import { checkPhotoSize } from '../../core/pictures/photo-size.ts';
import { Picture } from '../../core/pictures/picture.ts';
import type { SchedulerName } from '../../core/settings/choices.ts';
import { checkSide } from '../../core/settings/check.ts';
import { autoValues, defaultOf, DEFAULT_SETTINGS, startingSettings } from '../../core/settings/defaults.ts';
import { SMALL_MODEL, type ModelCard } from '../../core/settings/model-card.ts';
import type { CliValues } from '../../core/settings/schema.ts';
import { TRAIN_SETTINGS } from '../../core/settings/train-table.ts';
import { readPairs } from './pairs-file.ts';
import type { Needs } from '../unused-options.ts';

/** What commander gives: values that were checked one by one. */
export interface TrainGiven extends CliValues<typeof TRAIN_SETTINGS> {
  device?: Device;
  model: string;
  photos: string;
  subject: string;
  class?: string;
  prompt?: string;
  captions: boolean;
  classPrompt?: string;
  classPictures?: string;
  factors?: FactorPairs;
  refine?: string;
  pairs?: string;
  seed?: number;
  checkpointEvery?: number;
  resume?: boolean;
  restart?: boolean;
  trace?: string;
  sample?: readonly string[];
  scheduler?: SchedulerName | null;
  out: string;
}

const methodOf = ({ method = defaultOf('method') }: TrainGiven) => method;

/** Options that have no effect without another. */
export const NEEDS: Needs<TrainGiven> = [
  [['a1', 'a2', 'factors'], '--method krona', (given) => methodOf(given) === 'krona'],
  [['rank', 'alpha'], '--method lora', (given) => methodOf(given) === 'lora'],
  [['init'], '--method krona or lora', (given) => methodOf(given) !== 'full'],
  [['priorWeight', 'classPrompt', 'classPictures'], '--prior', ({ prior = 0 }) => prior > 0],
  [['background'], '--mask', ({ mask = defaultOf('mask') }) => mask !== 'off'],
  [['cuts'], '--crop random', ({ crop }) => crop === 'random'],
  [['scheduler'], '--sample', ({ sample = [] }) => sample.length > 0],
];

/** At most this much work is lost when the process dies. */
const STATE_SECONDS = 60;

/** Those that a training has under the same name; missing ones stay missing, as adapters' files say what was chosen. */
const SAME = [
  'a1',
  'a2',
  'factors',
  'rank',
  'alpha',
  'init',
  'lr',
  'patience',
  'accumulation',
  'weightDecay',
  'seed',
  'resolution',
  'checkpointing',
  'checkpointEvery',
  'resume',
  'restart',
  'trace',
  'cuts',
  'background',
  'grounds',
] as const satisfies readonly (keyof TrainGiven & keyof TrainOptions)[];

/** Defaults of the model that the recipe doesn't have. */
const OF_MODEL = ['targets', 'priorL2'] as const;

function pick<T extends object, K extends keyof T>(from: T, keys: readonly K[]): Pick<T, K> {
  return Object.fromEntries(keys.filter((key) => key in from).map((key) => [key, from[key]])) as Pick<T, K>;
}

/** What was found in the folder of photos, for people and programs. */
export interface TrainInput {
  readonly photos: { readonly used: number; readonly unused: readonly UnusedFile[] };
  /** Photos with a caption, and the files of those without; null where captions are ignored. */
  readonly captions: { readonly found: number; readonly missing: readonly string[] } | null;
}

/**
 * @throws KronaError MODEL_*, PHOTOS_MISSING, PHOTO_*, CAPTION_UNREADABLE, CAPTION_TOO_LONG, SIZE_UNFIT, OPTION_INVALID,
 * OPTION_MISSING for class pictures of no class, and for one of --refine and --pairs; PAIRS_INVALID, FILE_NOT_FOUND
 */
export async function trainOptions(
  asked: TrainGiven,
): Promise<{ readonly options: TrainOptions; readonly input: TrainInput }> {
  const model = modelCard(await openModel(asked.model));
  const given = withoutAuto(asked, model);
  const { method = defaultOf('method'), noiseStrength = defaultOf('noiseStrength') } = given;
  const refine = await refineOptions(given, model);
  const { a1, a2 } = trainDefaults(model, method);
  const { steps, lr } = refine ? refineRecipe(model) : trainDefaults(model, method);
  // Targets and prior can be chosen to be none, so `chosenOptions` has them.
  const recipe = { ...trainRecipe(model), a1, a2, steps, lr };
  const words = subjectWords(given.subject, given.class);
  const { photos, unused } = await readPhotoFolder(given.photos);
  for (const path of photos) checkPhotoSize(await Picture.open(path, basename(path)), basename(path));
  const subject = `${words.subjectToken} ${words.subjectClass}`.trim();
  const beside = await sidecars(given, photos);
  const options: TrainOptions = {
    seed: 0,
    checkpointEvery: null,
    stateSeconds: STATE_SECONDS,
    resume: false,
    trace: null,
    ...recipe,
    ...pick(given, SAME),
    ...(given.steps !== undefined && { steps: given.steps }),
    ...words,
    model: given.model,
    out: given.out,
    method,
    photos,
    prompt: given.prompt || photoOf(subject, model),
    maxGradNorm: given.maxGradNorm === 0 ? null : (given.maxGradNorm ?? recipe.maxGradNorm),
    ...chosenOptions({ ...DEFAULT_SETTINGS, ...pick(startingSettings(model), OF_MODEL), ...given }, () =>
      priorOf(given, words.subjectClass, model),
    ),
    ...beside,
    ...(noiseStrength < 1 && { noiseStrength }),
    ...(refine && { refine }),
  };
  checkSide('resolution', options.resolution, model);
  const missing = photos.filter((_, n) => !beside.captions?.[n]).map((path) => basename(path));
  return {
    options,
    input: {
      photos: { used: photos.length, unused },
      captions: given.captions ? { found: photos.length - missing.length, missing } : null,
    },
  };
}

type Resolved = Omit<TrainGiven, 'steps'> & { readonly steps?: number };

/** With what `--steps auto` stands for; options that were given too hold. */
function withoutAuto({ steps, ...given }: TrainGiven, model: ModelCard): Resolved {
  if (steps !== 'auto') return { ...given, ...(steps !== undefined && { steps }) };
  return { ...(Object.fromEntries(autoValues(TRAIN_SETTINGS.steps, model)) as Partial<Resolved>), ...given };
}

/** The adapter to go on from, with the pairs; null for a training from nothing. */
async function refineOptions(given: Resolved, model: ModelCard): Promise<RefineOptions | null> {
  const { refine: from, pairs } = given;
  if (from === undefined && pairs === undefined) return null;
  if (from === undefined || pairs === undefined)
    throw new KronaError(
      'OPTION_MISSING',
      '`--refine` and `--pairs` need each other: the adapter to go on from, and what people preferred.',
    );
  const { preference, beta, photoWeight, exampleSteps } = { ...refineRecipe(model), ...given };
  return { from, ...(await readPairs(pairs)), preference, beta, photoWeight, exampleSteps };
}

/** The caption of a photo. No small model knows photos; chat uses the short form for all models. */
function photoOf(named: string, { nativeSize }: ModelCard): string {
  return nativeSize > SMALL_MODEL ? `a photo of ${named}` : `a ${named}`;
}

/** Captions and masks in files beside the photos. */
async function sidecars(
  { captions: wanted, mask = defaultOf('mask') }: TrainGiven,
  photos: readonly string[],
): Promise<Pick<TrainOptions, 'captions' | 'masks'>> {
  const captions = wanted ? await readCaptions(photos) : [];
  return {
    ...(captions.some((caption) => caption !== null) && { captions }),
    ...(mask !== 'off' && { masks: await findMasks(photos) }),
  };
}

function priorOf(given: TrainGiven, subjectClass: string, model: ModelCard): Omit<Prior, 'pictures'> {
  if (given.classPrompt === undefined && subjectClass === '')
    throw new KronaError(
      'OPTION_MISSING',
      'Class pictures need a class: give --class, --class-prompt, or a --subject of two words.',
    );
  return {
    prompt: given.classPrompt ?? photoOf(subjectClass, model),
    weight: given.priorWeight ?? defaultOf('priorWeight'),
    folder: given.classPictures ?? join(dataFolder(), 'class-pictures'),
  };
}

/**
 * `sks cat` → token `sks` and class `cat`; a class that is given is what follows the token.
 *
 * @throws KronaError OPTION_INVALID for a subject without a visible character
 */
function subjectWords(subject: string, given: string | undefined) {
  if (!/[\p{L}\p{N}\p{P}\p{S}]/u.test(subject))
    throw new KronaError(
      'OPTION_INVALID',
      '`--subject` must be a name for prompts, such as "sks cat"; it is empty.',
    );
  const text = subject.trim().replace(/\s+/g, ' ');
  const last = text.slice(text.lastIndexOf(' ') + 1);
  const subjectClass = given?.trim() ?? (last === text ? '' : last);
  const ends = subjectClass !== '' && text.endsWith(` ${subjectClass}`);
  return { subjectToken: ends ? text.slice(0, -subjectClass.length - 1) : text, subjectClass };
}
