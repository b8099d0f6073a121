/**
 * @file The settings as options: their bounds, and whether the Kronecker factors fit the model.
 * ΔW = A⊗B of a projection [out, in] needs A [a1, a2] with a1 dividing out and a2 dividing in.
 */
import { KronaError } from '../../core/errors.ts';
import {
  startingRates,
  METHODS,
  pictureSize,
  SCHEDULERS,
  type ChannelSettings,
  type ModelCard,
  type PictureSize,
  type ProjectionShape,
} from '../../core/settings/settings.ts';
import {
  CROPS,
  DEFAULT_TRAIN_SETTINGS,
  LR_SCHEDULES,
  MASKS,
  TARGET_LISTS,
  targetsOf,
  type Target,
  type TrainSettings,
} from '../../core/settings/train-settings.ts';
import type { CommandContext, OptionData } from '../contract.ts';
import { checkOptions, type OptionValues } from '../line/options.ts';

/** What members type for what the model decides: its folder's scheduler, the size that it was trained on, its recipe. */
const OWN_OF_MODEL = 'model';

/** Sides of a picture to the model's own: outside of this it draws things twice, or none at all. */
const SIDES = { least: 0.5, most: 2 };

/** Shapes that are suggested, width by height, of about the area that the model was trained on. */
const SHAPES = [1, 4 / 3, 3 / 4, 3 / 2, 2 / 3, 16 / 9, 9 / 16];

/** Sizes that suit the worker's model. */
async function completeSize(_typed: string, { records }: CommandContext): Promise<string[]> {
  const model = await records.modelCard();
  if (!model) return [OWN_OF_MODEL];
  const { nativeSize, sizeMultiple } = model;
  // As buckets are cut: an eighth of the side on small models, 64 pixels on large ones.
  const step = Math.max(sizeMultiple, Math.min(64, nativeSize / 8));
  const side = (pixels: number): number => Math.round(pixels / step) * step;
  const sizes = SHAPES.map(
    (shape) => `${side(nativeSize * Math.sqrt(shape))}x${side(nativeSize / Math.sqrt(shape))}`,
  );
  return [OWN_OF_MODEL, ...sizes];
}

/** Numbers that a setting of the model's own may have instead. */
const OWN_OR_NUMBER = {
  batch: { name: 'batch', description: '', type: 'integer', min: 1, max: 16 },
  offsetNoise: { name: 'offset_noise', description: '', type: 'number', min: 0, max: 1 },
} as const satisfies Partial<Record<keyof ChannelSettings, OptionData>>;

/** The options of `/krona settings set`, by the setting they change. */
export const SETTING_OPTIONS = {
  a1: {
    name: 'a1',
    description: 'Rows of the left Kronecker factor; must divide every output width',
    type: 'integer',
    min: 1,
  },
  a2: {
    name: 'a2',
    description: 'Columns of the left Kronecker factor; must divide every input width',
    type: 'integer',
    min: 1,
  },
  rank: {
    name: 'rank',
    description: 'Rank of lora: how much its change of a projection can hold',
    type: 'integer',
    min: 1,
    max: 1280,
  },
  alpha: {
    name: 'alpha',
    description: 'What lora is multiplied by, over its rank',
    type: 'number',
    min: 0,
    aboveMin: true,
    max: 10_000,
  },
  lr: {
    name: 'lr',
    description: 'Learning rate, e.g. 5e-4',
    type: 'number',
    min: 0,
    aboveMin: true,
    max: 0.1,
  },
  steps: { name: 'steps', description: 'Optimiser steps of a training', type: 'integer', min: 1, max: 5000 },
  method: { name: 'method', description: 'What a training changes', type: 'text', choices: METHODS },
  targets: {
    name: 'targets',
    description: 'Parts of the model that krona and lora change',
    type: 'text',
    choices: TARGET_LISTS,
  },
  batch: {
    name: 'batch',
    description: 'Photos of a step, 1 to 16: more needs memory; or model, for its own',
    type: 'text',
    maxLength: 20,
    complete: () => Promise.resolve([OWN_OF_MODEL, '1', '2', '4', '8']),
  },
  lrSchedule: {
    name: 'lr_schedule',
    description: 'How the learning rate goes on after the warm-up',
    type: 'text',
    choices: LR_SCHEDULES,
  },
  warmup: {
    name: 'warmup',
    description: 'Steps over which the learning rate rises',
    type: 'integer',
    min: 0,
    max: 5000,
  },
  prior: {
    name: 'prior',
    description:
      'Class pictures trained beside the photos, so that others of the class stay as they are; 0: none',
    type: 'integer',
    min: 0,
    max: 200,
  },
  mask: {
    name: 'mask',
    description: 'Learn the subject and little of what surrounds it; where it is, says',
    type: 'text',
    choices: ['off', ...MASKS.filter((mask) => mask !== 'file')],
  },
  crop: { name: 'crop', description: 'What of a photo is cut out', type: 'text', choices: CROPS },
  flip: {
    name: 'flip',
    description: 'Mirrored photos too; not for subjects with text or a side of their own',
    type: 'flag',
  },
  buckets: {
    name: 'buckets',
    description: 'Photos keep about their shape instead of being cut square',
    type: 'flag',
  },
  minSnr: {
    name: 'min_snr',
    description: 'Min-SNR weights of the loss, 5 in the paper; 0: none',
    type: 'number',
    min: 0,
    max: 100,
  },
  offsetNoise: {
    name: 'offset_noise',
    description: 'Noise of whole channels, 0 to 1, to learn brightness; or model, for its own',
    type: 'text',
    maxLength: 20,
    complete: () => Promise.resolve([OWN_OF_MODEL, '0', '0.0357', '0.05', '0.1']),
  },
  guidance: {
    name: 'guidance',
    description: 'Guidance scale: how closely pictures follow the prompt',
    type: 'number',
    min: 1,
    max: 30,
  },
  rescale: {
    name: 'rescale',
    description: 'Against overexposed pictures; 0.7 suits models with zero terminal SNR',
    type: 'number',
    min: 0,
    max: 1,
  },
  scheduler: {
    name: 'scheduler',
    description: 'How a picture is denoised',
    type: 'text',
    choices: [OWN_OF_MODEL, ...SCHEDULERS],
  },
  samplingSteps: {
    name: 'sampling_steps',
    description: 'Denoising steps of a picture',
    type: 'integer',
    min: 1,
    max: 150,
  },
  size: {
    name: 'size',
    description: 'Width and height in pixels, as 1024x768; or model, for its own',
    type: 'text',
    maxLength: 20,
    complete: completeSize,
  },
  refine: {
    name: 'refine',
    description: 'Share of the drawing that is left to the refiner: 0.2 for SDXL’s, 0 for none',
    type: 'number',
    min: 0,
    max: 0.95,
  },
  count: { name: 'count', description: 'Pictures in a set', type: 'integer', min: 1, max: 4 },
} as const satisfies { readonly [S in keyof ChannelSettings]: OptionData };

/** Settings in the order in which they are shown. */
export const SETTING_NAMES = Object.keys(SETTING_OPTIONS) as (keyof ChannelSettings)[];

/** `1024x768`, `1024×768` or `1024`, a square; `model`: null. @throws KronaError OPTION_INVALID */
function readSize(typed: string): PictureSize | null {
  if (typed.toLowerCase() === OWN_OF_MODEL) return null;
  const [, width, height = width] = /^(\d{1,5})(?:\s*[x×]\s*(\d{1,5}))?$/i.exec(typed) ?? [];
  if (width === undefined)
    throw new KronaError(
      'OPTION_INVALID',
      `size must be width and height in pixels, as 1024x768, or ${OWN_OF_MODEL}; you gave “${typed}”.`,
    );
  return `${Number(width)}x${Number(height)}`;
}

/** A number, or `model`: null. @throws KronaError OPTION_INVALID */
function readOwnOrNumber(option: OptionData, typed: string): number | null {
  if (typed.toLowerCase() === OWN_OF_MODEL) return null;
  const { name } = option;
  return Number(checkOptions({ name, description: '', options: [option] }, { [name]: typed })[name]);
}

/** @throws KronaError SIZE_UNFIT when a side of the pictures is none that the model can draw */
export function checkSide(name: string, pixels: number, { name: model, sizeMultiple }: ModelCard): void {
  if (pixels % sizeMultiple === 0 && pixels > 0) return;
  const below = Math.max(1, Math.floor(pixels / sizeMultiple)) * sizeMultiple;
  throw new KronaError(
    'SIZE_UNFIT',
    `${name}=${pixels} is no multiple of ${sizeMultiple}, as ${model} needs; choose ${below} or ${below + sizeMultiple}.`,
  );
}

/**
 * Checks what pictures are drawn with against the worker's model.
 *
 * @throws KronaError SIZE_UNFIT, REFINER_MISSING
 */
export function checkDrawing(settings: Pick<ChannelSettings, 'size' | 'refine'>, model: ModelCard): void {
  if (settings.refine > 0 && model.refiner === undefined)
    throw new KronaError(
      'REFINER_MISSING',
      `refine=${settings.refine} needs a refiner, and the worker has none beside ${model.name}; ` +
        'leave refine at 0, or have the worker started with KRONA_REFINER.',
    );
  if (settings.size === null) return;
  const least = model.nativeSize * SIDES.least;
  const most = model.nativeSize * SIDES.most;
  for (const [side, pixels] of Object.entries(pictureSize(settings, model))) {
    checkSide(side, pixels, model);
    if (pixels < least || pixels > most)
      throw new KronaError(
        'SIZE_UNFIT',
        `${side}=${pixels} is not what ${model.name} was trained for, ${model.nativeSize} pixels; choose ${least} to ${most}.`,
      );
  }
}

/**
 * Settings after the checked options of `/krona settings set` or `/krona train`.
 *
 * @param model the worker's; null: not known
 */
export function withOptions(
  settings: ChannelSettings,
  options: OptionValues,
  model: ModelCard | null,
): ChannelSettings {
  const changed: Partial<Record<keyof ChannelSettings, string | number | boolean | null>> = {};
  for (const setting of SETTING_NAMES) {
    const value = options[SETTING_OPTIONS[setting].name];
    if (value === undefined) continue;
    if (setting === 'size') changed[setting] = readSize(String(value));
    else if (setting === 'batch' || setting === 'offsetNoise')
      changed[setting] = readOwnOrNumber(OWN_OR_NUMBER[setting], String(value));
    else changed[setting] = setting === 'scheduler' && value === OWN_OF_MODEL ? null : value;
  }
  // The options were checked against SETTING_OPTIONS, so each value has its setting's type.
  const given = { ...settings, ...(changed as Partial<ChannelSettings>) };
  // Another rank is to learn more, not to count more: alpha keeps its share of it unless one is given.
  const alpha =
    changed.alpha === undefined && changed.rank !== undefined
      ? (settings.alpha / settings.rank) * given.rank
      : given.alpha;
  const after = { ...given, alpha };
  // A learning rate that suits one method ruins another's training: it moves along unless one is given.
  if (changed.lr !== undefined || after.method === settings.method) return after;
  const rates = startingRates(model);
  const lr = (settings.lr / rates[settings.method]) * rates[after.method];
  return { ...after, lr: Number(lr.toPrecision(6)) };
}

/** A setting as members read and type it. */
export function showSetting(settings: ChannelSettings, setting: keyof ChannelSettings): string {
  const value = settings[setting];
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return value === null ? OWN_OF_MODEL : String(value);
}

/** What a channel chose of a training beside its method, as it is typed: `prior 50`, `mask auto`. */
export function trainChoices(settings: ChannelSettings): string[] {
  const names = Object.keys(DEFAULT_TRAIN_SETTINGS) as (keyof TrainSettings)[];
  return names
    .filter((setting) => settings[setting] !== DEFAULT_TRAIN_SETTINGS[setting])
    .map((setting) => `${SETTING_OPTIONS[setting].name} ${showSetting(settings, setting)}`);
}

/** Numbers that divide every width, ascending. */
function commonDivisors(widths: readonly number[]): number[] {
  const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));
  const greatest = widths.reduce(gcd, 0);
  return Array.from({ length: greatest }, (_, i) => i + 1).filter((n) => greatest % n === 0);
}

/** `down_blocks.2 … to_q` of `down_blocks.2.attentions.0.transformer_blocks.0.attn1.to_q`. */
function shortPath(path: string): string {
  const parts = path.split('.');
  const block = /^\d+$/.test(parts[1] ?? '') ? parts.slice(0, 2) : parts.slice(0, 1);
  const end = parts.at(-1) === '0' ? parts.slice(-2) : parts.slice(-1);
  return parts.length <= block.length + end.length ? path : `${block.join('.')} … ${end.join('.')}`;
}

function factorProblem(
  name: 'a1' | 'a2',
  value: number,
  projections: readonly ProjectionShape[],
  width: (projection: ProjectionShape) => number,
): string | null {
  const unfit = projections.filter((projection) => width(projection) % value !== 0);
  // The widest is the one people know from model descriptions, e.g. SDXL's 1280.
  const worst = unfit.reduce<ProjectionShape | null>(
    (best, each) => (best === null || width(each) > width(best) ? each : best),
    null,
  );
  if (worst === null) return null;
  const choices = commonDivisors(projections.map(width));
  const list = choices.length > 24 ? `${choices.slice(0, 24).join(', ')}, …` : choices.join(', ');
  return `${name}=${value} does not divide ${width(worst)} (${shortPath(worst.path)}); choose ${list}.`;
}

/** Those of a model that adapters change. */
export function trainedProjections(
  targets: readonly Target[],
  { projections, furtherProjections }: ModelCard,
): ProjectionShape[] {
  return targets.flatMap((target) =>
    target === 'attention' ? projections : (furtherProjections?.[target] ?? []),
  );
}

/**
 * Checks a pair of factors against every projection that adapters change.
 *
 * @throws KronaError FACTORS_UNFIT naming a projection and the values that fit all of them
 */
export function checkFactors(
  settings: Pick<ChannelSettings, 'a1' | 'a2'>,
  projections: readonly ProjectionShape[],
): void {
  const problems = [
    factorProblem('a1', settings.a1, projections, (projection) => projection.out),
    factorProblem('a2', settings.a2, projections, (projection) => projection.in),
  ].filter((problem) => problem !== null);
  if (problems.length > 0) throw new KronaError('FACTORS_UNFIT', problems.join(' '));
}

/** @throws KronaError RANK_UNFIT when lora's rank is more than the narrowest projection can have */
export function checkRank(
  { rank }: Pick<ChannelSettings, 'rank'>,
  projections: readonly ProjectionShape[],
): void {
  const side = (projection: ProjectionShape): number => Math.min(projection.out, projection.in);
  const narrowest = projections.reduce<ProjectionShape | null>(
    (best, each) => (best === null || side(each) < side(best) ? each : best),
    null,
  );
  if (narrowest === null || rank <= side(narrowest)) return;
  throw new KronaError(
    'RANK_UNFIT',
    `rank=${rank} is more than ${narrowest.out}×${narrowest.in} (${shortPath(narrowest.path)}) can have; choose at most ${side(narrowest)}.`,
  );
}

/** @throws KronaError TARGETS_UNSUPPORTED, WARMUP_UNFIT when settings of a training do not go together */
export function checkTogether({ method, targets, warmup, steps }: ChannelSettings): void {
  if (method === 'full' && targets !== DEFAULT_TRAIN_SETTINGS.targets)
    throw new KronaError(
      'TARGETS_UNSUPPORTED',
      `Full fine-tuning changes the whole UNet, and targets=${targets} is for krona and lora; ` +
        `choose targets:${DEFAULT_TRAIN_SETTINGS.targets}, or another method.`,
    );
  if (warmup > steps)
    throw new KronaError(
      'WARMUP_UNFIT',
      `warmup=${warmup} is longer than the run of ${steps} steps; choose at most ${steps}.`,
    );
}

/**
 * Checks what a run is to train with.
 *
 * @throws KronaError FACTORS_UNFIT, RANK_UNFIT, TARGETS_UNSUPPORTED, WARMUP_UNFIT
 */
export function checkTraining(settings: ChannelSettings, model: ModelCard | null): void {
  checkTogether(settings);
  if (!model) return;
  const projections = trainedProjections(targetsOf(settings.targets), model);
  if (settings.method === 'krona') checkFactors(settings, projections);
  if (settings.method === 'lora') checkRank(settings, projections);
}

/**
 * Trained numbers of an adapter: Σ a1·a2 + (out/a1)·(in/a2) of krona, Σ rank·(out + in) of lora; null of full
 * fine-tuning, which changes more than the projections.
 */
export function adapterParameters(settings: ChannelSettings, model: ModelCard): number | null {
  const { method, a1, a2, rank, targets } = settings;
  if (method === 'full') return null;
  return trainedProjections(targetsOf(targets), model).reduce(
    (sum, p) => sum + (method === 'krona' ? a1 * a2 + (p.out / a1) * (p.in / a2) : rank * (p.out + p.in)),
    0,
  );
}

/** What a method adds to a projection, in a word: `4×64`, `rank 8`; '' for full fine-tuning. */
export function adapterSize({ method, a1, a2, rank, alpha }: ChannelSettings): string {
  if (method === 'krona') return `${a1}×${a2}`;
  if (method === 'full') return '';
  return alpha === rank ? `rank ${rank}` : `rank ${rank} alpha ${alpha}`;
}
