/** @file Creates a scheduler by name, with the settings of a model folder's scheduler_config.json. */
import { KronaError } from '../../../core/errors.ts';
import { SCHEDULERS, type SchedulerName } from '../../../core/settings/choices.ts';
import { ConfigFields } from '../../models/config-fields.ts';
import { createDdim } from './ddim.ts';
import { createDdpm } from './ddpm.ts';
import { createDpmpp } from './dpmpp.ts';
import { createEuler } from './euler.ts';
import { createEulerAncestral } from './euler-ancestral.ts';
import { createHeun } from './heun.ts';
import { createLcm } from './lcm.ts';
import { createPndm } from './pndm.ts';
import type { Scheduler } from './scheduler.ts';
import { createUniPc } from './unipc.ts';

interface Entry {
  /** The class in diffusers, as scheduler_config.json names it. */
  readonly className: string;
  readonly create: (config: ConfigFields, steps: number) => Scheduler;
  /** Fields that the name implies, whatever the folder's config says. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

const DPMPP = { className: 'DPMSolverMultistepScheduler', create: createDpmpp };

const ENTRIES: { readonly [Name in SchedulerName]: Entry } = {
  ddim: { className: 'DDIMScheduler', create: createDdim },
  ddpm: { className: 'DDPMScheduler', create: createDdpm },
  euler: { className: 'EulerDiscreteScheduler', create: createEuler },
  euler_a: { className: 'EulerAncestralDiscreteScheduler', create: createEulerAncestral },
  heun: { className: 'HeunDiscreteScheduler', create: createHeun },
  dpmpp_2m: { ...DPMPP, fields: { algorithm_type: 'dpmsolver++', use_karras_sigmas: false } },
  dpmpp_2m_karras: { ...DPMPP, fields: { algorithm_type: 'dpmsolver++', use_karras_sigmas: true } },
  dpmpp_2m_sde: { ...DPMPP, fields: { algorithm_type: 'sde-dpmsolver++', use_karras_sigmas: false } },
  dpmpp_2m_sde_karras: { ...DPMPP, fields: { algorithm_type: 'sde-dpmsolver++', use_karras_sigmas: true } },
  unipc: { className: 'UniPCMultistepScheduler', create: createUniPc },
  pndm: { className: 'PNDMScheduler', create: createPndm },
  lcm: { className: 'LCMScheduler', create: createLcm },
};

/**
 * A scheduler for one run. As with diffusers' `from_config`, it takes the fields that it knows from the folder's config,
 * whichever class that was written for, and its own defaults for the rest.
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
    name === null ? Object.values(ENTRIES).find((each) => each.className === className) : ENTRIES[name];
  if (entry === undefined)
    throw new KronaError(
      'SCHEDULER_UNSUPPORTED',
      `The model's own scheduler is ${JSON.stringify(className)}, which Krona doesn't have; choose one of ${SCHEDULERS.join(', ')}.`,
    );
  return entry.create(name === null ? fields : fields.with(entry.fields ?? {}), steps);
}
