/**
 * @file What a channel or a command line can choose of a training beside its method: which photos and pictures are
 * examples, what they count, and how the learning rate moves. docs/training.md has them all with their sources.
 */

/**
 * What of a photo is cut out. `center`: its middle; `random`: several cuts of it, as in DreamBooth's scripts, which is
 * for photos whose subject does not fill the middle.
 */
export const CROPS = ['center', 'random'] as const;
export type Crop = (typeof CROPS)[number];

/**
 * Where the subject is, for a loss that counts little of what surrounds it (kohya's `masked_loss`). `file`: a grey
 * picture beside the photo, white where the subject is, on the command line only; `alpha`: the photo's own transparency;
 * `border`: what a flood fill from a border of one colour leaves; `auto`: the first of these that the photo has, else all
 * of it.
 */
export const MASKS = ['auto', 'file', 'alpha', 'border'] as const;
export type MaskKind = (typeof MASKS)[number];

/**
 * How the learning rate goes on after the warm-up. `constant`: what DreamBooth, DiffuseKronA and their scripts train
 * with; `cosine` and `linear` fall to zero over the run, so that a long one settles instead of wandering around its last
 * photos.
 */
export const LR_SCHEDULES = ['constant', 'cosine', 'linear'] as const;
export type LrSchedule = (typeof LR_SCHEDULES)[number];

/**
 * `attention`: q, k, v and out of every attention of the UNet, the paper's choice; `feed-forward`: both matrices of its
 * feed-forward layers, which double the count and gain nothing by the paper's ablation (arXiv 2402.17412, §4.3, figure
 * 13); `text-encoders`: q, k, v and out of every text encoder, as the paper trains Stable Diffusion.
 */
export const TARGETS = ['attention', 'feed-forward', 'text-encoders'] as const;
export type Target = (typeof TARGETS)[number];

/** What krona and lora change, as it is typed: targets with commas between. */
export const TARGET_LISTS = [
  'attention',
  'attention,feed-forward',
  'attention,text-encoders',
  'attention,feed-forward,text-encoders',
] as const;
export type TargetList = (typeof TARGET_LISTS)[number];

export function targetsOf(list: TargetList): Target[] {
  return list.split(',') as Target[];
}

export interface TrainSettings {
  readonly targets: TargetList;
  /** Photos of a step; null: as the model's recipe has it (trainRecipe). */
  readonly batch: number | null;
  /** See LR_SCHEDULES. */
  readonly lrSchedule: LrSchedule;
  /** Steps over which the learning rate rises from 0, at most those of the run; 0: none. */
  readonly warmup: number;
  /**
   * Class pictures of prior preservation (DreamBooth, arXiv 2208.12242, section 3.3): drawn once by the model and trained
   * beside the photos, so that other members of the class stay themselves; 0: none.
   */
  readonly prior: number;
  readonly mask: MaskKind | 'off';
  readonly crop: Crop;
  /** Mirrored photos too. Not for faces, text or anything with a side of its own. */
  readonly flip: boolean;
  /** Photos keep about their shape instead of being cut square; each size is a graph that holds the model. */
  readonly buckets: boolean;
  /** γ of min-SNR weights of the loss (arXiv 2303.09556), 5 in the paper; 0: no weights. */
  readonly minSnr: number;
  /**
   * Standard deviation of noise that is the same all over a channel, so that overall brightness is learnt too (N.
   * Guttenberg 2023); null: as the model's recipe has it.
   */
  readonly offsetNoise: number | null;
}

/** Those of every model: as DiffuseKronA and the DreamBooth scripts train. */
export const DEFAULT_TRAIN_SETTINGS: TrainSettings = {
  targets: 'attention',
  batch: null,
  lrSchedule: 'constant',
  warmup: 0,
  prior: 0,
  mask: 'off',
  crop: 'center',
  flip: false,
  buckets: false,
  minSnr: 0,
  offsetNoise: null,
};
