/** @file Photos that a scored run doesn't train on: likeness to a photo that was trained on also rewards copying it. */
import { at } from '../../core/at.ts';
import type { TrainOptions } from './train-options.ts';

/** Fewer photos are all trained on, as each missing one costs likeness; the score then compares with all of them. */
const FEWEST = 8;
/** One photo in so many is held out. */
const ONE_IN = 4;

type Scored = Pick<TrainOptions, 'photos' | 'captions' | 'masks' | 'keep' | 'scored'>;

export const isScored = ({ keep, scored }: Pick<TrainOptions, 'keep' | 'scored'>): boolean =>
  keep === 'best' || scored === true;

/** The options with only the photos to train on. Those of a run without scores, or of few photos, are unchanged. */
export function trainedPhotos<T extends Scored>(options: T): T {
  const { photos, captions, masks } = options;
  if (!isScored(options) || photos.length < FEWEST) return options;
  const trained = [...photos.keys()].filter((n) => !isHeldOut(n));
  return {
    ...options,
    photos: trained.map((n) => at(photos, n)),
    ...(captions && { captions: trained.map((n) => captions[n] ?? null) }),
    ...(masks && { masks: trained.map((n) => masks[n] ?? null) }),
  };
}

/** The photos that pictures are compared with. */
export function judgingPhotos({ photos }: Pick<Scored, 'photos'>): readonly string[] {
  return photos.length < FEWEST ? photos : photos.filter((_, n) => isHeldOut(n));
}

const isHeldOut = (n: number): boolean => n % ONE_IN === ONE_IN - 1;
