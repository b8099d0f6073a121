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
import { randomSeed } from '../../core/seeds.ts';
import { checkSide } from '../../core/settings/check.ts';
import { defaultOf } from '../../core/settings/defaults.ts';
import type { DRAW_SETTINGS } from '../../core/settings/draw-table.ts';
import type { CliValues } from '../../core/settings/schema.ts';
import { sizeOfImage } from '../image-start.ts';
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
  [['negative', 'guidanceRescale'], '--guidance above 1', (given) => guidanceOf(given) !== 1],
];

/** A model that reads the guidance scale draws without a second prediction. */
const NEGATIVE: Needs<ImagineGiven> = [
  [['negative', 'guidanceRescale'], 'a model that doesn’t read the guidance scale itself', () => false],
];

/** @throws KronaError OPTION_INVALID when an option needs or excludes another */
export function checkTogether({ image, strength, refiner, refineFrom }: ImagineGiven): void {
  const problem =
    strength !== undefined && image === undefined
      ? '--strength is how much of --image may change, and there is no image. Add --image, or remove --strength.'
      : refineFrom !== undefined && refiner === undefined
        ? '--refine-from needs a model to take over. Add --refiner, or remove --refine-from.'
        : refineFrom !== undefined && image !== undefined
          ? 'With --image, the refiner works on the finished picture. Remove --refine-from.'
          : null;
  if (problem !== null) throw new KronaError('OPTION_INVALID', problem);
}

/** @throws KronaError SIZE_UNFIT, IMAGE_INVALID, and as TextToImage.readAdapter */
export async function drawRequest(
  painter: TextToImage,
  given: ImagineGiven,
  io: CommandIo,
): Promise<DrawRequest> {
  for (const note of unusedOptions(given, NEEDS)) io.log(note);
  const model = modelCard(painter.model);
  const own = imagineDefaults(model);
  const defaults = given.image === undefined ? own : { ...own, ...(await sizeOfImage(given.image, model)) };
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
  const speed = given.speed === undefined ? null : speedOf(given.speed);
  if (given.speed !== undefined) adapter.push(await painter.readAdapter(given.speed));
  return {
    prompt: given.prompt,
    negative: given.negative ?? null,
    adapter,
    steps: given.steps ?? speed?.steps ?? defaults.steps,
    guidance: given.guidance ?? speed?.guidance ?? defaults.guidance,
    guidanceRescale: given.guidanceRescale ?? defaultOf('rescale'),
    scheduler,
    ...(speed && scheduler === null && { schedulerFields: speed.scheduler }),
    width,
    height,
    seed: given.seed ?? randomSeed(),
    // Chat draws sets to vote on; the command line draws one picture unless asked for more.
    count: given.count ?? 1,
    noise: given.noise ?? defaultOf('noise'),
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
