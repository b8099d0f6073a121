/** @file What `krona imagine` was given, as a request to the sampler. */
import type { AppliedAdapter } from '../../gpu-worker/adapters/adapter-inputs.ts';
import { modelCard } from '../../gpu-worker/adapters/model-card.ts';
import { fewStepsOfFile } from '../../gpu-worker/models/few-steps.ts';
import { imagineDefaults } from '../../gpu-worker/sampling/imagine-defaults.ts';
import { schedulerProblem } from '../../gpu-worker/sampling/schedulers/create-scheduler.ts';
import { speedOf } from '../../gpu-worker/sampling/speed.ts';
import type { DrawRequest, TextToImage } from '../../gpu-worker/sampling/text-to-image.ts';
import type { Device } from '../../core/config.ts';
import { KronaError } from '../../core/errors.ts';
import { splitFlags } from '../../core/prompts/flags.ts';
import { splitPlaces } from '../../core/prompts/split.ts';
import { MAX_SEED, randomSeed } from '../../core/seeds.ts';
import { checkSide } from '../../core/settings/check.ts';
import { defaultOf } from '../../core/settings/defaults.ts';
import { DRAW_SETTINGS } from '../../core/settings/draw-table.ts';
import type { ModelCard } from '../../core/settings/model-card.ts';
import { pictureSize, readShape, sizeOfShape } from '../../core/settings/picture-size.ts';
import type { CliValues } from '../../core/settings/schema.ts';
import { readValue } from '../../core/values.ts';
import { sizeLike } from '../image-start.ts';
import type { CommandIo } from '../output.ts';
import { unusedOptions, type Needs } from '../unused-options.ts';

interface FileAndStrength {
  readonly path: string;
  readonly strength: number;
}

/** What commander gives: values that were checked one by one. */
export interface ImagineGiven extends CliValues<typeof DRAW_SETTINGS> {
  model: string;
  prompt: string;
  negative?: string;
  adapter?: readonly FileAndStrength[];
  seed?: number;
  image?: string;
  /** A file, or a word of AREAS. */
  mask?: string;
  parameters?: boolean;
  moreLike?: readonly string[];
  lessLike?: readonly string[];
  refiner?: string;
  speed?: string;
  /** Folder of the tiny decoder; true: none. */
  previews?: string | true;
  device?: Device;
  out: string;
}

const guidanceOf = ({ guidance, speed }: ImagineGiven): number | undefined =>
  guidance ?? (speed === undefined ? undefined : fewStepsOfFile(speed)?.guidance);

/** The model draws without a second prediction at a guidance of 1. */
const NEEDS: Needs<ImagineGiven> = [
  [['negative', 'guidanceRescale', 'lessLike'], '--guidance above 1', (given) => guidanceOf(given) !== 1],
];

/** A model that reads the guidance scale draws without a second prediction. */
const NEGATIVE: Needs<ImagineGiven> = [
  [
    ['negative', 'guidanceRescale', 'lessLike'],
    'a model that doesn’t read the guidance scale itself',
    () => false,
  ],
];

/** @throws KronaError OPTION_INVALID when an option needs or excludes another */
export function checkTogether({ image, mask, strength, refiner, refineFrom }: ImagineGiven): void {
  const problem =
    mask !== undefined && image === undefined
      ? '--mask says which part of --image to draw again, and there is no image. Add --image, or remove --mask.'
      : mask !== undefined && refiner !== undefined
        ? '--mask and --refiner do not go together. Remove one of them.'
        : strength !== undefined && image === undefined
          ? '--strength is how much of --image may change, and there is no image. Add --image, or remove --strength.'
          : refineFrom !== undefined && refiner === undefined
            ? '--refine-from needs a model to take over. Add --refiner, or remove --refine-from.'
            : refineFrom !== undefined && image !== undefined
              ? 'With --image, the refiner works on the finished picture. Remove --refine-from.'
              : null;
  if (problem !== null) throw new KronaError('OPTION_INVALID', problem);
}

/** A prompt without the flags in it, and what they say beside the options. */
export interface FlaggedRequest {
  readonly prompt: string;
  readonly negative: string | undefined;
  /** Width / height. */
  readonly shape: number | undefined;
  readonly seed: number | undefined;
  readonly steps: number | undefined;
}

/** @throws KronaError PROMPT_FLAG_UNKNOWN, PROMPT_FLAG_EMPTY, OPTION_TWICE, OPTION_INVALID, SHAPE_INVALID */
export function withFlags({
  prompt: typed,
  negative,
  seed,
  steps,
  width,
  height,
}: ImagineGiven): FlaggedRequest {
  const { prompt, flags } = splitFlags(typed);
  const taken = { no: negative, ar: width ?? height, seed, steps, style: undefined };
  for (const [flag, option] of Object.entries(taken))
    if (option !== undefined && flag in flags)
      throw new KronaError(
        'OPTION_TWICE',
        `\`--${flag}\` in the prompt and an option of \`krona imagine\` say the same. Give one of them.`,
      );
  if (flags.style !== undefined)
    throw new KronaError('PROMPT_FLAG_UNKNOWN', 'Styles belong to channels: `--style` works only in chat.');
  const { min, max } = DRAW_SETTINGS.samplingSteps;
  const whole = (name: string, value: string | undefined, bounds: { min: number; max: number }) =>
    value === undefined ? undefined : Number(readValue({ name, type: 'integer', ...bounds }, value));
  return {
    prompt,
    negative: negative ?? flags.no,
    shape: flags.ar === undefined ? undefined : readShape(flags.ar),
    seed: seed ?? whole('--seed', flags.seed, { min: 0, max: MAX_SEED }),
    steps: steps ?? whole('--steps', flags.steps, { min, max }),
  };
}

/** Width and height of a shape on a model. */
const sizeIn = (shape: number, model: ModelCard) => pictureSize({ size: sizeOfShape(shape, model) }, model);

/**
 * @param shape of the picture to begin with
 * @throws KronaError SIZE_UNFIT, and as TextToImage.readAdapter
 */
export async function drawRequest(
  painter: TextToImage,
  given: ImagineGiven,
  asked: FlaggedRequest,
  shape: { readonly width: number; readonly height: number } | null,
  io: CommandIo,
): Promise<DrawRequest> {
  for (const note of unusedOptions(given, NEEDS)) io.log(note);
  const model = modelCard(painter.model);
  const own = imagineDefaults(model);
  const defaults = {
    ...own,
    ...(shape && sizeLike(shape, model)),
    ...(asked.shape && sizeIn(asked.shape, model)),
  };
  const { width = defaults.width, height = defaults.height, tiles = defaultOf('tiles') } = given;
  checkSide('width', width, model);
  checkSide('height', height, model);
  if (painter.model.unet.config.time_cond_proj_dim !== undefined)
    for (const note of unusedOptions(given, NEGATIVE)) io.log(note);
  const scheduler = given.scheduler ?? null;
  const usesOwn = scheduler === null && given.speed === undefined;
  const problem = usesOwn ? schedulerProblem(painter.model.scheduler) : null;
  if (problem !== null) io.log(problem.message);
  const adapter: AppliedAdapter[] = [];
  for (const { path, strength } of given.adapter ?? []) {
    const applied = await painter.readAdapter(path, strength);
    adapter.push(applied);
    for (const note of applied.notes ?? []) io.log(note);
  }
  const words = adapter.map(({ subject }) => subject ?? null);
  const places = splitPlaces(asked.prompt, words, given.split ?? 'none');
  const placed = adapter.map((each, n) => ({ ...each, ...(places?.[n] && { place: places[n] }) }));
  const speed = given.speed === undefined ? null : speedOf(given.speed);
  if (given.speed !== undefined) placed.push(await painter.readAdapter(given.speed));
  return {
    prompt: asked.prompt,
    negative: asked.negative ?? null,
    adapter: placed,
    steps: asked.steps ?? speed?.steps ?? defaults.steps,
    guidance: given.guidance ?? speed?.guidance ?? defaults.guidance,
    guidanceRescale: given.guidanceRescale ?? defaultOf('rescale'),
    scheduler,
    ...(speed && scheduler === null && { schedulerFields: speed.scheduler }),
    width,
    height,
    seed: asked.seed ?? randomSeed(),
    // Chat draws sets to vote on; the command line draws one picture unless asked for more.
    count: given.count ?? 1,
    noise: given.noise ?? defaultOf('noise'),
    quality: given.quality ?? defaultOf('quality'),
    ...(tiles !== 'auto' && { tiled: tiles === 'on' }),
  };
}

/** `mochi.safetensors:0.8` → that file at strength 0.8, after those given before it. */
export function fileAndStrength(
  value: string,
  earlier: readonly FileAndStrength[] = [],
): readonly FileAndStrength[] {
  const [, path, strength] = /^(.+?)(?::([+-]?[\d.]+(?:e[+-]?\d+)?))?$/i.exec(value) ?? [];
  const number = strength === undefined ? 1 : Number(strength);
  if (path === undefined || !Number.isFinite(number))
    throw new KronaError(
      'OPTION_INVALID',
      `\`--adapter\` must be a file, with an optional strength such as mochi.safetensors:0.8; you gave “${value}”.`,
    );
  return [...earlier, { path, strength: number }];
}
