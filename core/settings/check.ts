/**
 * @file Whether settings go together and fit the model.
 * ΔW = A⊗B of a projection [out, in] needs A [a1, a2] with a1 dividing out and a2 dividing in.
 */
import { KronaError } from '../errors.ts';
import { gcd } from '../gcd.ts';
import { areChosen, targetsOf } from './choices.ts';
import { trainedProjections, type ModelCard, type ProjectionShape } from './model-card.ts';
import { pictureSize, SIDES } from './picture-size.ts';
import type { ChannelSettings } from './schema.ts';

/** Numbers that divide every width, ascending. */
function commonDivisors(widths: readonly number[]): number[] {
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

/**
 * Checks a pair of factors against every projection that it is for.
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

/** @throws KronaError RANK_UNFIT when a LoRA's rank is higher than the narrowest projection allows */
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
    `\`rank\` is ${rank}, too high for ${narrowest.out}×${narrowest.in} (${shortPath(narrowest.path)}); choose at most ${side(narrowest)}.`,
  );
}

/** @throws KronaError TARGETS_UNSUPPORTED, WARMUP_UNFIT when settings of a training do not go together */
export function checkTogether({ method, targets, warmup, steps }: ChannelSettings): void {
  if (method === 'full' && areChosen(targets))
    throw new KronaError(
      'TARGETS_UNSUPPORTED',
      `Full fine-tuning trains the whole UNet, so \`targets\` is for krona and lora only. ` +
        `Choose targets:attention, or another method.`,
    );
  if (warmup > steps)
    throw new KronaError(
      'WARMUP_UNFIT',
      `\`warmup\` is ${warmup}, longer than the run of ${steps} steps; choose at most ${steps}.`,
    );
}

/** @throws KronaError MODEL_INPAINTING when a model can only draw */
export function checkTrainable({ name, inpainting }: Pick<ModelCard, 'name' | 'inpainting'>): void {
  if (inpainting)
    throw new KronaError(
      'MODEL_INPAINTING',
      `${name} is a model for inpainting, which Krona draws with but doesn't train. Train on the model that it was made ` +
        'from, such as Stable Diffusion 1.5 or SDXL; the adapter then draws with both.',
    );
}

/**
 * Checks a run's settings against each other and the model.
 *
 * @param model null: not known, so only against each other
 * @throws KronaError MODEL_INPAINTING, FACTORS_UNFIT, RANK_UNFIT, TARGETS_UNSUPPORTED, WARMUP_UNFIT
 */
export function checkTraining(settings: ChannelSettings, model: ModelCard | null): void {
  checkTogether(settings);
  if (!model) return;
  checkTrainable(model);
  const projections = trainedProjections(targetsOf(settings.targets), model);
  if (settings.method === 'krona') checkFactors(settings, projections);
  if (settings.method === 'lora') checkRank(settings, projections);
}

/** @throws KronaError SIZE_UNFIT when the model cannot draw pictures with such a side */
export function checkSide(name: string, pixels: number, { name: model, sizeMultiple }: ModelCard): void {
  if (pixels % sizeMultiple === 0 && pixels > 0) return;
  const below = Math.max(1, Math.floor(pixels / sizeMultiple)) * sizeMultiple;
  throw new KronaError(
    'SIZE_UNFIT',
    `\`${name}\` is ${pixels}, not a multiple of ${sizeMultiple}, which ${model} needs; choose ${below} or ${below + sizeMultiple}.`,
  );
}

/**
 * Checks a set's settings against the worker's model.
 *
 * @throws KronaError SIZE_UNFIT, REFINER_MISSING, SPEED_MISSING
 */
export function checkDrawing(
  settings: Pick<ChannelSettings, 'size' | 'refine' | 'speed'>,
  model: ModelCard,
): void {
  const { speeds = [] } = model;
  if (settings.speed !== null && speeds.every(({ name }) => name !== settings.speed))
    throw new KronaError(
      'SPEED_MISSING',
      `\`speed\` is ${settings.speed}, which the worker doesn't have for ${model.name}. ` +
        (speeds.length > 0
          ? `Choose ${speeds.map(({ name }) => name).join(', ')}, or none.`
          : 'Set `speed` to none, or start the worker with KRONA_SPEED.'),
    );
  if (settings.refine > 0 && model.refiner === undefined)
    throw new KronaError(
      'REFINER_MISSING',
      `\`refine\` is ${settings.refine}, but the worker has no refiner for ${model.name}. ` +
        'Set `refine` to 0, or start the worker with KRONA_REFINER.',
    );
  if (settings.size === null) return;
  const least = model.nativeSize * SIDES.least;
  const most = model.nativeSize * SIDES.most;
  for (const [side, pixels] of Object.entries(pictureSize(settings, model))) {
    checkSide(side, pixels, model);
    if (pixels < least || pixels > most)
      throw new KronaError(
        'SIZE_UNFIT',
        `\`${side}\` is ${pixels}, which doesn't suit ${model.name}: it was trained on ${model.nativeSize} pixels; choose ${least} to ${most}.`,
      );
  }
}
