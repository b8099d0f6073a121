/** @file What a model of the catalogue needs of the worker's computer: memory, and seconds for a picture. */
import { catalogue, type CatalogueModel, type Work } from '../catalogue.ts';
import { KronaError } from '../errors.ts';
import { byteSize } from '../format.ts';
import { speedKey, type Computer } from './computer.ts';
import type { ModelCard } from './model-card.ts';

const GIB = 2 ** 30;
/**
 * Bytes of the process, the runtime and its workspaces, beside weights and activations. On a CPU, drawing with SD 1.5 took
 * 5,957 MiB, of which 4,835 are these; for a card see gpu-worker/graph/room.ts.
 */
const BESIDE = { cpu: 1.1 * GIB, card: 1.5 * GIB } as const;
/** A picture that takes longer doesn't suit a chat, s. */
const LONGEST = 180;

/** Bytes to draw with a model at its own size: in 32 bits on a CPU, in 16 on a card. */
export function memoryNeeded(
  { figures: { parameters, activations } }: Pick<CatalogueModel, 'figures'>,
  { device }: Pick<Computer, 'device'>,
): number {
  return device === 'cpu'
    ? 4 * parameters + activations + BESIDE.cpu
    : 2 * parameters + activations / 2 + BESIDE.card;
}

export interface ExpectedTime {
  /** Of one picture at the model's own size and steps. */
  readonly seconds: number;
  readonly basis: 'measured' | 'computed';
}

/**
 * How long a picture takes: measured on the last pictures, else computed from what is known of the computer's speed.
 *
 * @param card - the model's own; null: it is not here
 * @param usual - the card of KRONA_MODEL's own model
 * @returns null: nobody knows
 */
export function expectedTime(
  model: CatalogueModel,
  card: ModelCard | null,
  usual: ModelCard,
): ExpectedTime | null {
  const drawn = card?.computer?.drawnStep;
  if (drawn) return { seconds: drawn * model.steps, basis: 'measured' };
  const rate = rateOf(model, usual);
  const { step, decoding } = model.figures;
  return rate && { seconds: rate.step * step * model.steps + rate.decoding * decoding, basis: 'computed' };
}

/** Seconds for 10^12 operations of each kind: best of a model of its kind, as small models use a device less well. */
function rateOf({ architecture, size }: CatalogueModel, usual: ModelCard): Work | null {
  const { references } = catalogue();
  const speeds = usual.computer?.check?.speeds ?? {};
  const near = speedKey({ architecture: architecture === 'sdxl' ? 'sdxl' : 'sd1', nativeSize: size });
  const keys = Object.keys(references).sort((a, b) => Number(b === near) - Number(a === near));
  for (const key of keys) {
    const [work, speed] = [references[key], speeds[key]];
    if (work && speed) return { step: speed.step / work.step, decoding: speed.decoding / work.decoding };
  }
  const own = references[speedKey(usual)];
  const drawn = usual.computer?.drawnStep;
  // What was measured on pictures has decoding in it.
  return own && drawn ? { step: drawn / own.step, decoding: 0 } : null;
}

/** Whether a model fits the memory of a computer; true where that is not known. */
export const fitsMemory = (model: Pick<CatalogueModel, 'figures'>, computer: Computer | undefined): boolean =>
  computer?.memory == null || memoryNeeded(model, computer) <= computer.memory;

/** Whether a model fits and draws a picture within minutes, as far as that is known. */
export function suits(model: CatalogueModel, usual: ModelCard): boolean {
  const time = expectedTime(model, null, usual);
  return fitsMemory(model, usual.computer) && (time === null || time.seconds <= LONGEST);
}

/** @throws KronaError MODEL_TOO_LARGE */
export function requireMemory(model: CatalogueModel, computer: Computer | undefined): void {
  if (fitsMemory(model, computer) || computer?.memory == null) return;
  const where = computer.device === 'cpu' ? 'computer' : 'card';
  throw new KronaError(
    'MODEL_TOO_LARGE',
    `${model.title} needs about ${byteSize(memoryNeeded(model, computer))} of memory to draw, and the worker’s ${where} ` +
      `has ${byteSize(computer.memory)}. Choose a smaller one: \`/krona model list\` shows what each needs.`,
  );
}
