/** @file The named values of settings: methods, schedulers, parts of a model and the like. */

/** How a training changes the model: Kronecker factors, or the paper's rivals LoRA and full fine-tuning. */
export const METHODS = ['krona', 'lora', 'full'] as const;
export type Method = (typeof METHODS)[number];

/**
 * Schedulers by the names of diffusers' classes and of k-diffusion's samplers. Discord shows at most 25 choices: these 24
 * and "model".
 */
export const SCHEDULERS = [
  'ddim',
  'ddpm',
  'euler',
  'euler_trailing',
  'euler_a',
  'heun',
  'lms',
  'lms_karras',
  'kdpm2',
  'kdpm2_a',
  'dpmpp_2m',
  'dpmpp_2m_karras',
  'dpmpp_2m_sde',
  'dpmpp_2m_sde_karras',
  'dpmpp_3m',
  'dpmpp_3m_sde',
  'dpmpp_2s',
  'dpmpp_sde',
  'dpmpp_sde_karras',
  'deis',
  'unipc',
  'pndm',
  'lcm',
  'tcd',
] as const;
export type SchedulerName = (typeof SCHEDULERS)[number];

/** Width and height of a picture, pixels: `1024x768`. */
export type PictureSize = `${number}x${number}`;

/** `center`: the middle of a photo; `random`: several cuts of it, for photos whose subject is off centre. */
export const CROPS = ['center', 'random'] as const;
export type Crop = (typeof CROPS)[number];

/**
 * Where a mask of the subject comes from (kohya's `masked_loss`). `file`: a grey picture beside the photo, white where
 * the subject is, on the command line only; `alpha`: the photo's transparency; `border`: what a flood fill from a border
 * of one colour leaves; `auto`: the first of these that the photo has, else all of it.
 */
export const MASKS = ['auto', 'file', 'alpha', 'border'] as const;
export type MaskKind = (typeof MASKS)[number];

/** Which checkpoint of a run becomes its adapter. `best`: that with the highest score, and the run ends early. */
export const KEEPS = ['last', 'best'] as const;
export type Keep = (typeof KEEPS)[number];

/** The learning rate after the warm-up: `constant`, or falling to zero over the run along a cosine or a line. */
export const LR_SCHEDULES = ['constant', 'cosine', 'linear'] as const;
export type LrSchedule = (typeof LR_SCHEDULES)[number];

/** The loss on pairs of pictures of which members prefer one. */
export const PREFERENCES = ['dpo', 'ipo'] as const;
export type Preference = (typeof PREFERENCES)[number];

/**
 * `attention`: q, k, v and out of every attention of the UNet; `feed-forward`: both matrices of its feed-forward layers;
 * `text-encoders`: q, k, v and out of every text encoder.
 */
export const TARGETS = ['attention', 'feed-forward', 'text-encoders'] as const;
export type Target = (typeof TARGETS)[number];

/** Targets as they are stored: with commas between, in the order of TARGETS. */
export const TARGET_LISTS = [
  'attention',
  'attention,feed-forward',
  'attention,text-encoders',
  'attention,feed-forward,text-encoders',
  'feed-forward',
  'feed-forward,text-encoders',
  'text-encoders',
] as const;
export type TargetList = (typeof TARGET_LISTS)[number];

/** Defaults of large and small models. */
const USUAL_TARGETS: readonly TargetList[] = ['attention', 'attention,feed-forward'];

/** Whether somebody chose these targets, as no model has them by default. */
export const areChosen = (list: TargetList): boolean => !USUAL_TARGETS.includes(list);

export function targetsOf(list: TargetList): Target[] {
  const names: readonly string[] = list.split(',');
  return TARGETS.filter((target) => names.includes(target));
}

/** The engine's option `targets`: none for its own default, and for full fine-tuning, which trains the whole UNet, unless chosen. */
export function targetOptions({
  method,
  targets,
}: {
  readonly method: Method;
  readonly targets: TargetList;
}): { readonly targets?: readonly Target[] } {
  const usual = method === 'full' ? !areChosen(targets) : targets === 'attention';
  return usual ? {} : { targets: targetsOf(targets) };
}

/** The random factor at the start: `normal` as the method's paper or scripts have it, `kaiming` as torch starts a linear layer. */
export const DISTRIBUTIONS = ['normal', 'kaiming'] as const;
export type Distribution = (typeof DISTRIBUTIONS)[number];

/** `exact`: as diffusers draws it; `fast`: weights in 8 bits on a CPU, and every second step reuses the one before. */
export const QUALITIES = ['exact', 'fast'] as const;
export type Quality = (typeof QUALITIES)[number];

/**
 * Where several subjects of a prompt stand, each of which only its own adapter draws: `auto` by the prompt's words, `none`
 * anywhere, and then the adapters add up.
 */
export const SPLITS = ['auto', 'left-right', 'top-bottom', 'none'] as const;
export type Split = (typeof SPLITS)[number];

/**
 * How pictures are enlarged: drawn again at twice their size, with new details; or by a network that keeps what they show, to
 * two or four times.
 */
export const UPSCALES = ['redraw', 'x2', 'x4'] as const;
export type Upscale = (typeof UPSCALES)[number];

/** Where noise comes from: Krona's own generator, or torch's, whose seeds draw the pictures of diffusers. */
export const NOISES = ['krona', 'torch'] as const;
