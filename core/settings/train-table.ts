/**
 * @file The table of settings that decide how an adapter is trained; drawing's are in draw-table.ts. A setting is added
 * here: chat options, command line, checks, help and docs/training.md follow.
 */
import {
  CROPS,
  DISTRIBUTIONS,
  KEEPS,
  LR_SCHEDULES,
  MASKS,
  METHODS,
  TARGET_LISTS,
  TARGETS,
  type MaskKind,
  type TargetList,
} from './choices.ts';
import { REFINE_SETTINGS } from './refine-table.ts';
import type { Setting } from './setting.ts';

const MANY_STEPS = 1_000_000;

/** In chat a list is one choice, and always has the attention. */
const CHAT_TARGETS: readonly TargetList[] = TARGET_LISTS.filter((list) => list.startsWith('attention'));

/** In chat no mask comes as a file. */
const CHAT_MASKS = ['off', ...MASKS.filter((mask): mask is Exclude<MaskKind, 'file'> => mask !== 'file')];

/**
 * Defaults of small models are the embedded model's, by the trials of docs/evaluation.md: with feed-forward layers and
 * factors of 2×2 subjects resemble their photos most, and the prior on ΔW keeps them following prompts.
 * Large models train as DiffuseKronA's paper trains SDXL (arXiv 2402.17412, section 4.1), in the variant (4, 64) of its
 * comparisons, the most faithful of its ablation of factors. Its table 7 has a1=8 and 16 as good on subjects (CLIP-I
 * .815 and .817 of .809, DINO .649 and .654 of .651), closer to prompts (CLIP-T .313 and .301 of .268) and smaller (2.15
 * and 1.51 M of 3.87 M numbers): a few subjects with deviations of .02 to .15, so worth a try where prompts are not
 * followed rather than a default for all.
 */
export const TRAIN_SETTINGS = {
  method: {
    type: 'text',
    choices: METHODS,
    description: 'How to adapt the model: Kronecker factors, LoRA or full fine-tuning',
    default: 'krona',
    chat: { name: 'method' },
    cli: { name: 'method', value: 'name' },
    source: 'DiffuseKronA, arXiv 2402.17412; LoRA, arXiv 2106.09685; DreamBooth, arXiv 2208.12242',
  },
  a1: {
    type: 'integer',
    min: 1,
    description: 'Rows of the left Kronecker factor; must divide every output width',
    default: { small: 2, large: 4 },
    chat: { name: 'a1' },
    cli: { name: 'a1', value: 'n' },
    about: 'The default is reduced until it divides all widths of the model',
    source: 'DiffuseKronA, §4.1 and table 7',
  },
  a2: {
    type: 'integer',
    min: 1,
    description: 'Columns of the left Kronecker factor; must divide every input width',
    default: { small: 2, large: 64 },
    chat: { name: 'a2' },
    cli: { name: 'a2', value: 'n' },
    about: 'The default is reduced until it divides all widths of the model',
    source: 'DiffuseKronA, §4.1 and table 7',
  },
  rank: {
    type: 'integer',
    min: 1,
    max: 1280,
    description: 'LoRA: how much it can change each projection',
    default: 4,
    chat: { name: 'rank' },
    cli: { name: 'rank', value: 'n' },
    source: 'DiffuseKronA, table 2',
  },
  alpha: {
    type: 'number',
    min: 0,
    aboveMin: true,
    max: 10_000,
    description: 'LoRA: its change is multiplied by alpha/rank',
    default: 4,
    chat: { name: 'alpha' },
    cli: { name: 'alpha', value: 'x', default: 'the rank' },
    about: 'In chat a new rank keeps the ratio, unless you give both',
    source: 'LoRA, §4.1',
  },
  init: {
    type: 'text',
    choices: DISTRIBUTIONS,
    description: 'Distribution of the random factor at the start',
    default: 'normal',
    cli: { name: 'init', value: 'name' },
    source: 'DiffuseKronA, §3.3; PEFT',
  },
  lr: {
    type: 'number',
    min: 0,
    aboveMin: true,
    max: 0.1,
    description: 'Learning rate, such as 5e-4',
    default: { small: 2e-3, large: 5e-4 },
    chat: { name: 'lr' },
    cli: {
      name: 'lr',
      value: 'x',
      default: 'krona 5e-4, lora 1e-4, full 5e-6; small models 2e-3, 2e-3, 2e-4',
    },
    about: 'In chat a new method changes it in proportion, unless you give both',
    source: 'DiffuseKronA, §4.1; DreamBooth, §4; small models: docs/evaluation.md',
  },
  steps: {
    type: 'integer',
    min: 1,
    max: 5000,
    description: 'Training steps',
    default: { small: 500, large: 1000 },
    chat: { name: 'steps' },
    cli: { name: 'steps', value: 'n', max: MANY_STEPS },
    auto: { steps: { small: 1000, large: 2000 }, keep: 'best' },
    about: '`auto`: as many as help. At most 2,000 (small models: 1,000), with `keep` set to best',
    source: 'DiffuseKronA, §4.1; small models: docs/evaluation.md',
  },
  keep: {
    type: 'text',
    choices: KEEPS,
    description: 'Which checkpoint becomes the adapter: the last, or the best by its score',
    default: 'last',
    chat: { name: 'keep' },
    cli: { name: 'keep', value: 'which' },
    about:
      'With `best`, Krona scores each checkpoint by its pictures and ends the run early (see “Stop at the best”)',
  },
  patience: {
    type: 'integer',
    min: 1,
    max: 100,
    description: 'With --keep best, end after so many checkpoints in a row that are no better',
    default: 2,
    cli: { name: 'patience', value: 'n' },
  },
  targets: {
    type: 'text',
    choices: TARGET_LISTS,
    parts: TARGETS,
    description: 'Which parts of the model to train (krona and lora)',
    default: { small: 'attention,feed-forward', large: 'attention' },
    chat: { name: 'targets', choices: CHAT_TARGETS },
    cli: {
      name: 'targets',
      value: 'list',
      description: `Parts of the model to train with krona or lora: ${TARGETS.join(', ')}`,
    },
    about: 'A list with commas between; in chat always with attention',
    source:
      'DiffuseKronA, §4.3: feed-forward doubles the size and gains nothing on SDXL; small models: docs/evaluation.md',
  },
  batch: {
    type: 'integer',
    min: 1,
    max: 16,
    orWord: 'model',
    suggestions: ['1', '2', '4', '8'],
    description: 'Photos per step; more need more memory',
    // Small pictures use a processor better four at a time; the activations of large ones do not fit common memories.
    default: { small: 4, large: 1 },
    chat: {
      name: 'batch',
      description: 'Photos per step, 1 to 16, or “model” for its default',
    },
    cli: { name: 'batch', value: 'n', max: 256, description: 'Photos per micro-batch' },
    source: "DiffuseKronA's scripts: 1",
  },
  accumulation: {
    type: 'integer',
    min: 1,
    max: 1024,
    description: 'Micro-batches per step, whose gradients are averaged',
    default: 1,
    cli: { name: 'accumulation', value: 'n' },
  },
  lrSchedule: {
    type: 'text',
    choices: LR_SCHEDULES,
    description: 'Learning rate after the warm-up',
    default: 'constant',
    chat: { name: 'lr_schedule' },
    cli: { name: 'lr-schedule', value: 'name' },
    about: 'It stays, or falls to zero along a cosine or a line, so that a long run settles',
    source: "diffusers' `get_scheduler`; DiffuseKronA trains constant",
  },
  warmup: {
    type: 'integer',
    min: 0,
    max: 5000,
    description: 'Steps over which the learning rate rises from 0',
    default: 0,
    chat: { name: 'warmup' },
    cli: { name: 'warmup', value: 'n', max: MANY_STEPS },
    source: "diffusers' `get_scheduler`",
  },
  weightDecay: {
    type: 'number',
    min: 0,
    max: 1,
    description: 'Weight decay of AdamW',
    default: 0.01,
    cli: { name: 'weight-decay', value: 'x' },
    source: "AdamW, arXiv 1711.05101; DiffuseKronA's scripts",
  },
  maxGradNorm: {
    type: 'number',
    min: 0,
    max: 1e6,
    description: 'Largest norm of the gradient; larger ones are scaled down (0 = no limit)',
    default: 1,
    cli: { name: 'max-grad-norm', value: 'x' },
    source: "DiffuseKronA's scripts",
  },
  prior: {
    type: 'integer',
    min: 0,
    max: 200,
    description: 'Class pictures to train with, to keep the class unchanged (0 = none)',
    default: 0,
    chat: { name: 'prior' },
    cli: { name: 'prior', value: 'n', max: 10_000 },
    about:
      'Prior preservation: the model draws the pictures once, and they are trained beside the photos. ' +
      'It costs likeness (DINO .684 with, .712 without)',
    source: 'DreamBooth, arXiv 2208.12242, §3.3',
  },
  priorWeight: {
    type: 'number',
    min: 0,
    max: 100,
    description: 'Weight of class pictures in the loss',
    default: 1,
    cli: { name: 'prior-weight', value: 'x' },
    source: "diffusers' DreamBooth scripts",
  },
  priorL2: {
    type: 'number',
    min: 0,
    max: 1e6,
    description:
      "Keeps the rest of the model unchanged: weight of the adapter's squared size in the loss (0 = off)",
    default: { small: 5e-4, large: 0 },
    chat: {
      name: 'prior_l2',
      description: "Weight of the adapter's squared size in the loss (0 = off)",
    },
    cli: { name: 'prior-l2', value: 'lambda' },
    about: 'Like `prior`, without class pictures: λ·‖ΔW‖², which for Kronecker factors is λ·‖A‖²·‖B‖²',
    source: 'Preserve and Personalize, arXiv 2505.19519; small models: docs/evaluation.md',
  },
  mask: {
    type: 'text',
    choices: ['off', ...MASKS],
    description: 'Mask of the subject, to train on it more than on the background',
    default: 'off',
    chat: { name: 'mask', choices: CHAT_MASKS },
    cli: { name: 'mask', value: 'source' },
    about:
      'The mask is `photo.mask.png` or `masks/photo.png` (white: the subject; `file`), ' +
      "the photo's transparency (`alpha`), or all but a border of one colour (`border`)",
    source: "kohya's `masked_loss`",
  },
  background: {
    type: 'number',
    min: 0,
    max: 1,
    description: 'Weight of the background in the loss when there is a mask; the subject has 1',
    default: 0.1,
    cli: { name: 'background', value: 'x' },
    source: "OneTrainer's `unmasked_weight`; mean over all positions, as in both",
  },
  crop: {
    type: 'text',
    choices: CROPS,
    description: 'Which part of a photo to use: its middle, or random cuts',
    default: 'center',
    chat: { name: 'crop' },
    cli: { name: 'crop', value: 'where' },
    about: 'Random cuts are for photos whose subject is not in the middle; latents of all cuts are cached',
    source: "diffusers' DreamBooth scripts",
  },
  cuts: {
    type: 'integer',
    min: 1,
    max: 64,
    description: 'Random cuts per photo',
    default: 4,
    cli: { name: 'cuts', value: 'n' },
  },
  grounds: {
    type: 'integer',
    min: 0,
    max: 64,
    description: 'Views of each photo with its subject cut out, on plain grounds named in the prompt',
    default: 0,
    cli: { name: 'grounds', value: 'n' },
    about:
      'For subjects on a ground of one colour, or with transparency; each view is turned, resized and placed at random. ' +
      'Photos with a caption stay as they are',
  },
  flip: {
    type: 'flag',
    description: 'Train on mirrored photos too; not for faces or text',
    default: false,
    chat: { name: 'flip' },
    cli: { name: 'flip' },
    source: "diffusers' `random_flip`",
  },
  buckets: {
    type: 'flag',
    description: 'Keep the shape of photos; else crop to squares',
    default: false,
    chat: { name: 'buckets' },
    cli: { name: 'buckets' },
    about:
      'Sizes in steps of 64 pixels (an eighth of the side on small models) of about one area; a batch has one size. ' +
      'Each size, at most 4 at once, is a graph that holds the model in memory',
    source: "NovelAI; SDXL, arXiv 2307.01952, §2.3; kohya's `enable_bucket`",
  },
  minSnr: {
    type: 'number',
    min: 0,
    max: 100,
    description: 'Gamma of min-SNR loss weighting; the paper uses 5 (0 = off)',
    default: 0,
    chat: { name: 'min_snr' },
    cli: { name: 'min-snr', value: 'gamma' },
    about: 'Nearly clean timesteps outvote the others less: weights min(SNR, γ)/SNR, over SNR + 1 for v',
    source: "arXiv 2303.09556; diffusers' `snr_gamma`; no figures for few photos",
  },
  offsetNoise: {
    type: 'number',
    min: 0,
    max: 1,
    orWord: 'model',
    suggestions: ['0', '0.0357', '0.05', '0.1'],
    description: 'Noise added to whole channels, to train overall brightness too',
    // SDXL base was trained with this much (kohya's documentation; its report, arXiv 2307.01952, section 2.5, says 0.05).
    default: { small: 0, large: 0, sdxl: 0.0357 },
    chat: {
      name: 'offset_noise',
      description: 'Noise added to whole channels, 0 to 1, or “model” for its default',
    },
    cli: { name: 'offset-noise', value: 'x' },
    about: '0 for SDXL with zero terminal SNR',
    source: "N. Guttenberg 2023; kohya's documentation of SDXL",
  },
  noiseStrength: {
    type: 'number',
    min: 0,
    max: 1,
    description: 'Strength of the adapter at pure noise; other programs ignore it',
    default: 1,
    cli: { name: 'noise-strength', value: 'x' },
    about:
      'It falls linearly as the noise rises, in training and drawing: at high noise the adapter would copy the photos. ' +
      'Not for full fine-tuning',
    source: 'T-LoRA (AAAI 2026), whose rank falls to a half: text similarity .232 → .256 on one photo',
  },
  resolution: {
    type: 'integer',
    min: 8,
    max: 4096,
    description: 'Side of the training pictures, pixels',
    default: null,
    cli: { name: 'resolution', value: 'n', default: "the model's" },
  },
  checkpointing: {
    type: 'flag',
    description: 'Recompute activations: less memory, about 15% more time',
    default: { small: false, large: true },
    cli: { name: 'checkpointing' },
    source: 'arXiv 1604.06174',
  },
  ...REFINE_SETTINGS,
} as const satisfies Readonly<Record<string, Setting>>;
