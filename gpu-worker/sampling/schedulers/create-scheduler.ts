/** @file Creates a scheduler by name, with the settings of a model folder's scheduler_config.json. */
import { describeError, KronaError } from '../../../core/errors.ts';
import type { SchedulerName } from '../../../core/settings/choices.ts';
import { ConfigFields, quoted } from '../../models/config-fields.ts';
import { CLASS_NAMES } from './class-names.ts';
import { createDdim } from './ddim.ts';
import { createDdpm } from './ddpm.ts';
import { createDeis } from './deis.ts';
import { createDpmpp } from './dpmpp.ts';
import { createDpmppSde } from './dpmpp-sde.ts';
import { createDpmppSingle } from './dpmpp-single.ts';
import { createEuler } from './euler.ts';
import { createEulerAncestral } from './euler-ancestral.ts';
import { createHeun } from './heun.ts';
import { createKdpm2, createKdpm2Ancestral } from './kdpm2.ts';
import { createLcm } from './lcm.ts';
import { createLms } from './lms.ts';
import { createPndm } from './pndm.ts';
import type { Scheduler } from './scheduler.ts';
import { createTcd } from './tcd.ts';
import { timestepSpacing } from './timesteps.ts';
import { createUniPc } from './unipc.ts';

type SchedulerConfig = Readonly<Record<string, unknown>>;
type Create = (config: ConfigFields, steps: number) => Scheduler;

interface Entry {
  readonly create: Create;
  /** Fields that the name implies, whatever the folder's config says. */
  readonly fields?: SchedulerConfig;
}

const dpmpp = (algorithm_type: string, more: SchedulerConfig): Entry => ({
  create: createDpmpp,
  fields: { algorithm_type, ...more },
});
const [ODE, SDE] = ['dpmsolver++', 'sde-dpmsolver++'] as const;
const karras = (use_karras_sigmas: boolean) => ({ use_karras_sigmas });

const ENTRIES: { readonly [Name in SchedulerName]: Entry } = {
  ddim: { create: createDdim },
  ddpm: { create: createDdpm },
  euler: { create: createEuler },
  euler_trailing: { create: createEuler, fields: { timestep_spacing: 'trailing' } },
  euler_a: { create: createEulerAncestral },
  heun: { create: createHeun },
  lms: { create: createLms, fields: karras(false) },
  lms_karras: { create: createLms, fields: karras(true) },
  kdpm2: { create: createKdpm2 },
  kdpm2_a: { create: createKdpm2Ancestral },
  dpmpp_2m: dpmpp(ODE, karras(false)),
  dpmpp_2m_karras: dpmpp(ODE, karras(true)),
  dpmpp_2m_sde: dpmpp(SDE, karras(false)),
  dpmpp_2m_sde_karras: dpmpp(SDE, karras(true)),
  dpmpp_3m: dpmpp(ODE, { solver_order: 3 }),
  dpmpp_3m_sde: dpmpp(SDE, { solver_order: 3 }),
  dpmpp_2s: { create: createDpmppSingle, fields: { algorithm_type: ODE, solver_order: 2 } },
  dpmpp_sde: { create: createDpmppSde, fields: karras(false) },
  dpmpp_sde_karras: { create: createDpmppSde, fields: karras(true) },
  deis: { create: createDeis, fields: { algorithm_type: 'deis' } },
  unipc: { create: createUniPc },
  pndm: { create: createPndm },
  lcm: { create: createLcm },
  tcd: { create: createTcd },
};

/** Used where the model's own scheduler can't be: it is exact for every noise schedule and needs nothing but that. */
const FALLBACK = 'euler';
/** The fields that a model was trained with; all others are a sampler's choice. */
const TRAINED = [
  '_class_name',
  'num_train_timesteps',
  'beta_start',
  'beta_end',
  'beta_schedule',
  'trained_betas',
  'prediction_type',
  'rescale_betas_zero_snr',
  'use_flow_sigmas',
];
const SPACED = ['timestep_spacing', 'steps_offset'];
/** Steps of the trial run. */
const TRIAL = 4;

/**
 * A scheduler for one run. As with diffusers' `from_config`, it takes the fields that it knows from the folder's config,
 * whichever class that was written for, and its own defaults for the rest.
 *
 * @param name null for the class that the config names, or `euler` where `schedulerProblem` says so
 * @param config scheduler/scheduler_config.json of the model folder
 * @param steps sampling steps, 1 to num_train_timesteps
 * @throws KronaError STEPS_INVALID, MODEL_CONFIG_INVALID, MODEL_CONFIG_UNSUPPORTED
 */
export function createScheduler(
  name: SchedulerName | null,
  config: SchedulerConfig,
  steps: number,
): Scheduler {
  const fields = fieldsOf(config);
  if (name === null) return ownScheduler(fields).create(steps);
  const { create, fields: implied = {} } = ENTRIES[name];
  return create(fields.with(implied), steps);
}

/**
 * Why a model's own scheduler isn't used, and which one is: null if all is well.
 *
 * @throws KronaError MODEL_CONFIG_INVALID, MODEL_CONFIG_UNSUPPORTED when no scheduler can sample the model
 */
export function schedulerProblem(config: SchedulerConfig): KronaError | null {
  return ownScheduler(fieldsOf(config)).problem;
}

const fieldsOf = (config: SchedulerConfig) => new ConfigFields('scheduler/scheduler_config.json', config);

interface OwnScheduler {
  readonly problem: KronaError | null;
  readonly create: (steps: number) => Scheduler;
}

function ownScheduler(config: ConfigFields): OwnScheduler {
  const className = config.get('_class_name');
  const found = SCHEDULER_NAMES.find((name) => CLASS_NAMES[name] === className);
  const own = found && ENTRIES[found].create;
  const reason = own
    ? troubleOf(own, config)
    : `The model's own scheduler is ${quoted(className)}, which Krona doesn't have.`;
  if (own && reason === null) return { problem: null, create: (steps) => own(config, steps) };
  const trained = fallbackConfig(config);
  const { create } = ENTRIES[FALLBACK];
  // Throws where it is the noise levels that are wrong.
  create(trained, 1);
  const problem = new KronaError(
    'SCHEDULER_UNSUPPORTED',
    `${reason} Krona uses ${FALLBACK} instead; choose another with \`scheduler\`.`,
  );
  return { problem, create: (steps) => create(trained, steps) };
}

const SCHEDULER_NAMES = Object.keys(CLASS_NAMES) as SchedulerName[];

/** What the model was trained with, and how it spaces timesteps if Krona knows that. */
function fallbackConfig(config: ConfigFields): ConfigFields {
  const only = (keys: readonly string[]) =>
    new ConfigFields(
      config.where,
      Object.fromEntries(keys.map((key) => [key, config.get(key) ?? undefined])),
    );
  const spaced = only([...TRAINED, ...SPACED]);
  try {
    timestepSpacing(spaced, 'linspace');
    spaced.integer('steps_offset', 0, { least: 0 });
    return spaced;
  } catch {
    return only(TRAINED);
  }
}

/** What goes wrong in a small run with a config, so that no run finds out in its middle; null if nothing does. */
function troubleOf(create: Create, config: ConfigFields): string | null {
  try {
    const scheduler = create(config, TRIAL);
    const half = Float32Array.of(0.5);
    let sample: Float32Array = Float32Array.of(scheduler.initNoiseSigma);
    for (const i of scheduler.timesteps.keys()) sample = scheduler.step(half, i, sample, () => half);
    return sample.every(Number.isFinite) ? null : `${config.where}: its numbers lead to infinite samples.`;
  } catch (error) {
    const { code, message } = describeError(error);
    if (code === 'STEPS_INVALID') return null;
    if (!code.startsWith('MODEL_CONFIG_')) throw error;
    return message;
  }
}
