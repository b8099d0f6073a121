/** @file Training options from the choices of a channel or a command line. */
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
 * Options to spread over trainRecipe's. Unchosen ones are omitted, because adapter files record the chosen ones.
 *
 * @param prior settings of class pictures, besides their number
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
