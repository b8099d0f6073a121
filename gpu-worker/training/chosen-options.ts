/** @file Training options from the choices of a channel or a command line. */
import { targetOptions } from '../../core/settings/choices.ts';
import { DEFAULT_SETTINGS } from '../../core/settings/defaults.ts';
import { CHAT_SETTINGS, type TrainSettings } from '../../core/settings/schema.ts';
import type { Prior } from './class-pictures.ts';
import type { TrainOptions } from './train-options.ts';

/** What the engine does without an option. */
const WITHOUT: TrainSettings = { ...DEFAULT_SETTINGS, targets: 'attention', priorL2: 0 };

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
  const keys = CHAT_SETTINGS.train.filter((key) => settings[key] !== WITHOUT[key]);
  const chosen = Object.fromEntries(keys.map((key) => [key, settings[key]])) as Chosen;
  const { targets: _targets, prior: pictures, ...others } = chosen;
  return {
    ...others,
    ...targetOptions(settings),
    ...(pictures !== undefined && { prior: { pictures, ...prior() } }),
  };
}
