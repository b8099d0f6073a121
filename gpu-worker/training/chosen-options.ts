/** @file What a channel or a command line chose of a training, as its options. */
import { targetsOf } from '../../core/settings/choices.ts';
import type { TrainSettings } from '../../core/settings/schema.ts';
import type { Prior } from './class-pictures.ts';
import type { TrainOptions } from './train-options.ts';

type ChosenOptions = Partial<
  Pick<
    TrainOptions,
    | 'targets'
    | 'batch'
    | 'lrSchedule'
    | 'warmup'
    | 'prior'
    | 'mask'
    | 'crop'
    | 'flip'
    | 'buckets'
    | 'minSnr'
    | 'offsetNoise'
  >
>;

/**
 * To be spread over trainRecipe's. What nobody chose is left out, as adapters' files say what was chosen.
 *
 * @param prior how class pictures are made, beside their number
 */
export function chosenOptions(settings: TrainSettings, prior: () => Omit<Prior, 'pictures'>): ChosenOptions {
  const { targets, batch, lrSchedule, warmup, mask, crop, flip, buckets, minSnr, offsetNoise } = settings;
  return {
    ...(warmup > 0 && { warmup }),
    ...(targets !== 'attention' && { targets: targetsOf(targets) }),
    ...(batch !== null && { batch }),
    ...(lrSchedule !== 'constant' && { lrSchedule }),
    ...(crop !== 'center' && { crop }),
    ...(flip && { flip }),
    ...(buckets && { buckets }),
    ...(mask !== 'off' && { mask }),
    ...(minSnr > 0 && { minSnr }),
    ...(offsetNoise !== null && { offsetNoise }),
    ...(settings.prior > 0 && { prior: { pictures: settings.prior, ...prior() } }),
  };
}
