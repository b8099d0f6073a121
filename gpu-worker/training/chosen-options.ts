/** @file Training options from the choices of a channel or a command line. */
import { targetsOf } from '../../core/settings/choices.ts';
import { DEFAULT_SETTINGS } from '../../core/settings/defaults.ts';
import { CHAT_SETTINGS, type TrainSettings } from '../../core/settings/schema.ts';
import type { Prior } from './class-pictures.ts';
import type { TrainOptions } from './train-options.ts';

/** Settings that differ from the default, so none is null or off. */
type Chosen = { [K in keyof TrainSettings]?: Exclude<TrainSettings[K], null | 'off'> };

/**
 * Options to spread over trainRecipe's. Unchosen ones are omitted, because adapter files record the chosen ones.
 *
 * @param prior settings of class pictures, besides their number
 */
export function chosenOptions(
  settings: TrainSettings,
  prior: () => Omit<Prior, 'pictures'>,
): Partial<TrainOptions> {
  const keys = CHAT_SETTINGS.train.filter((key) => settings[key] !== DEFAULT_SETTINGS[key]);
  const chosen = Object.fromEntries(keys.map((key) => [key, settings[key]])) as Chosen;
  const { targets, prior: pictures, ...others } = chosen;
  return {
    ...others,
    ...(targets !== undefined && { targets: targetsOf(targets) }),
    ...(pictures !== undefined && { prior: { pictures, ...prior() } }),
  };
}
