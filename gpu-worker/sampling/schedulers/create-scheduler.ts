/** @file The scheduler of a name, with the settings of a model folder's scheduler_config.json. */
import { KronaError } from '../../../storage/errors.ts';
import { SCHEDULERS, type SchedulerName } from '../../../storage/settings.ts';
import { ConfigFields } from '../../models/config-fields.ts';
import { createDdim } from './ddim.ts';
import { createEuler } from './euler.ts';
import { createPndm } from './pndm.ts';
import type { Scheduler } from './scheduler.ts';

interface Entry {
  /** The class in diffusers, as scheduler_config.json names it. */
  readonly className: string;
  readonly create: (config: ConfigFields, steps: number) => Scheduler;
}

const ENTRIES: { readonly [Name in SchedulerName]: Entry } = {
  ddim: { className: 'DDIMScheduler', create: createDdim },
  euler: { className: 'EulerDiscreteScheduler', create: createEuler },
};

/** What SD 1.x folders name; nobody would choose it beside the others. */
const FOLDERS_OWN: readonly Entry[] = [{ className: 'PNDMScheduler', create: createPndm }];

/**
 * A scheduler for one run. As diffusers' `from_config`, the one asked for takes what it knows from the folder's
 * config, whichever class that was written for, and its own defaults for the rest.
 *
 * @param name null for the class that the config names
 * @param config scheduler/scheduler_config.json of the model folder
 * @param steps sampling steps, 1 to num_train_timesteps
 * @throws KronaError SCHEDULER_UNSUPPORTED, STEPS_INVALID, MODEL_CONFIG_INVALID, MODEL_CONFIG_UNSUPPORTED
 */
export function createScheduler(
  name: SchedulerName | null,
  config: Readonly<Record<string, unknown>>,
  steps: number,
): Scheduler {
  const fields = new ConfigFields('scheduler/scheduler_config.json', config);
  const className = fields.get('_class_name');
  const entry =
    name === null
      ? [...Object.values(ENTRIES), ...FOLDERS_OWN].find((each) => each.className === className)
      : ENTRIES[name];
  if (entry === undefined)
    throw new KronaError(
      'SCHEDULER_UNSUPPORTED',
      `The model's own scheduler is ${JSON.stringify(className)}, which is not built; choose one of ${SCHEDULERS.join(', ')}.`,
    );
  return entry.create(fields, steps);
}
