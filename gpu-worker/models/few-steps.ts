/**
 * @file How models and adapters that were distilled for few steps draw. Their files hold only weights, so the name says the
 * method and the steps, as on the hub: `lcm-lora-sdv1-5`, `sdxl_lightning_4step_lora`, `Hyper-SDXL-8steps-lora`, `sd-turbo`.
 */
import { basename, dirname } from 'node:path';

export interface FewSteps {
  /** Fields of the scheduler's config that replace the model's own. */
  readonly scheduler: Readonly<Record<string, unknown>>;
  readonly steps: number;
  /** 1: without a second prediction for the negative prompt. */
  readonly guidance: number;
}

const TRAILING = { timestep_spacing: 'trailing' };
const MOST_STEPS = 50;

interface Method extends Omit<FewSteps, 'steps'> {
  /** Where the name gives no number. */
  readonly steps: number;
  /** In place of `scheduler` for a single step. */
  readonly single?: FewSteps['scheduler'];
}

/** By a word of the name: what the methods' authors draw with (their model cards on the hub). */
const METHODS: Readonly<Record<string, Method>> = {
  lcm: { scheduler: { _class_name: 'LCMScheduler' }, steps: 4, guidance: 1 },
  tcd: { scheduler: { _class_name: 'TCDScheduler', eta: 0.3 }, steps: 4, guidance: 1 },
  lightning: {
    scheduler: { _class_name: 'EulerDiscreteScheduler', ...TRAILING },
    steps: 4,
    guidance: 1,
  },
  hyper: {
    scheduler: { _class_name: 'DDIMScheduler', ...TRAILING },
    single: { _class_name: 'TCDScheduler', eta: 1 },
    steps: 8,
    guidance: 1,
  },
  turbo: {
    scheduler: { _class_name: 'EulerAncestralDiscreteScheduler', ...TRAILING },
    steps: 4,
    guidance: 1,
  },
};
/** Hyper-SD's adapters that keep guidance have this word in their name; their card advises 5 to 8. */
const [GUIDED, GUIDANCE] = ['cfg', 5] as const;

/**
 * The way to draw that a name states; null if it states none.
 *
 * @param name of a model or of an adapter's file
 * @example fewStepsOf('sdxl_lightning_4step_lora') // Euler with trailing timesteps, 4 steps, no guidance
 */
export function fewStepsOf(name: string): FewSteps | null {
  // Words of camel case too: sdxlTurbo_v10.
  const text = name.replace(/([a-z\d])([A-Z])/g, '$1 $2').toLowerCase();
  const words = text.split(/[^a-z]+/);
  const word = words.find((each) => Object.hasOwn(METHODS, each));
  const method = word === undefined ? undefined : METHODS[word];
  if (method === undefined) return null;
  const stated = Number(/(\d+)[-_ ]*steps?(?![a-z])/.exec(text)?.[1] ?? method.steps);
  const steps = stated >= 1 && stated <= MOST_STEPS ? stated : method.steps;
  return {
    scheduler: (steps === 1 ? method.single : undefined) ?? method.scheduler,
    steps,
    guidance: words.includes(GUIDED) ? GUIDANCE : method.guidance,
  };
}

/** As `fewStepsOf`, for a file: its own name counts before that of its folder, which the hub's downloads have. */
export function fewStepsOfFile(path: string): FewSteps | null {
  return fewStepsOf(basename(path).replace(/\.safetensors$/i, '')) ?? fewStepsOf(basename(dirname(path)));
}
