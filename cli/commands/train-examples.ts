/** @file The options of `krona train` that decide what its examples are and what they count. */
import { join } from 'node:path';
import type { Command } from 'commander';
import { PRIOR_DEFAULTS } from '../../gpu-worker/training/class-pictures.ts';
import { LR_SCHEDULES, type LrSchedule } from '../../gpu-worker/training/lr-schedule.ts';
import { MASKS, type MaskKind } from '../../gpu-worker/training/masks.ts';
import { CROPS, DEFAULT_BACKGROUND, DEFAULT_CUTS, type Crop } from '../../gpu-worker/training/photo-cache.ts';
import { findMasks, readCaptions } from '../../gpu-worker/training/photo-sidecars.ts';
import type { trainRecipe, TrainOptions } from '../../gpu-worker/training/train-options.ts';
import { KronaError } from '../../storage/errors.ts';
import { checked } from '../options.ts';

/** What commander gives. */
export interface ExamplesGiven {
  captions?: boolean;
  crop?: Crop;
  cuts?: number;
  flip?: boolean;
  buckets?: boolean;
  mask?: MaskKind;
  background?: number;
  prior?: number;
  priorWeight?: number;
  classPrompt?: string;
  classPictures?: string;
  minSnr?: number;
  offsetNoise?: number;
  noiseStrength?: number;
  lrSchedule?: LrSchedule;
}

export function defineExamples(train: Command): void {
  const text = (name: string, description: string, choices: readonly string[]) =>
    ({ name, description, type: 'text', choices }) as const;
  const number = (name: string, description: string, max: number) =>
    ({ name, description, type: 'number', min: 0, max }) as const;
  const integer = (name: string, description: string, min: number, max: number) =>
    ({ name, description, type: 'integer', min, max }) as const;
  train
    .option('--no-captions', 'do not read photo.txt beside a photo as what it shows')
    .addOption(checked('--crop <where>', text('crop', 'What of a photo is cut out', CROPS), 'center'))
    .addOption(checked('--cuts <n>', integer('cuts', 'Random cuts of a photo', 1, 64), `${DEFAULT_CUTS}`))
    .option('--flip', 'mirrored photos too; not for subjects with text or a side of their own')
    .option('--buckets', 'photos keep about their shape instead of being cut square')
    .addOption(
      checked(
        '--mask <source>',
        text('mask', 'Learn the subject and little of what surrounds it; where it is, says', MASKS),
        'no mask',
      ),
    )
    .addOption(
      checked(
        '--background <x>',
        number('background', "What the rest counts under a mask, of the subject's 1", 1),
        `${DEFAULT_BACKGROUND}`,
      ),
    )
    .addOption(
      checked('--prior <n>', integer('prior', 'Class pictures of prior preservation', 0, 10_000), '0'),
    )
    .addOption(
      checked(
        '--prior-weight <x>',
        number('prior-weight', 'What class pictures count', 100),
        `${PRIOR_DEFAULTS.weight}`,
      ),
    )
    .option('--class-prompt <text>', 'what class pictures show (default: "a photo of" and the class)')
    .option('--class-pictures <dir>', "where class pictures are kept (default: KRONA_DATA's class-pictures/)")
    .addOption(
      checked(
        '--min-snr <gamma>',
        number('min-snr', 'Min-SNR weights of the loss, 5 in the paper', 100),
        'none',
      ),
    )
    .addOption(
      checked(
        '--offset-noise <x>',
        number('offset-noise', 'Noise of whole channels', 1),
        'SDXL 0.0357; others 0',
      ),
    )
    .addOption(
      checked(
        '--noise-strength <x>',
        number('noise-strength', "The adapter's strength at pure noise; other programs do not know it", 1),
        '1',
      ),
    )
    .addOption(
      checked(
        '--lr-schedule <name>',
        text('lr-schedule', 'How the learning rate goes on after the warm-up', LR_SCHEDULES),
        'constant',
      ),
    );
}

type Examples = Pick<
  TrainOptions,
  | 'captions'
  | 'masks'
  | 'crop'
  | 'cuts'
  | 'flip'
  | 'buckets'
  | 'mask'
  | 'background'
  | 'prior'
  | 'minSnr'
  | 'offsetNoise'
  | 'noiseStrength'
  | 'lrSchedule'
>;

/** Those that are given. @throws KronaError OPTION_MISSING for class pictures of no class */
export async function examplesOf(
  given: ExamplesGiven,
  photos: readonly string[],
  subjectClass: string,
  defaults: ReturnType<typeof trainRecipe>,
): Promise<Examples> {
  const captions = given.captions === false ? [] : await readCaptions(photos);
  const offsetNoise = given.offsetNoise ?? defaults.offsetNoise;
  return {
    ...(captions.some((caption) => caption !== null) ? { captions } : {}),
    ...(given.crop ? { crop: given.crop } : {}),
    ...(given.cuts === undefined ? {} : { cuts: given.cuts }),
    ...(given.flip ? { flip: true } : {}),
    ...(given.buckets ? { buckets: true } : {}),
    ...(given.mask ? { mask: given.mask, masks: await findMasks(photos) } : {}),
    ...(given.background === undefined ? {} : { background: given.background }),
    ...(given.prior ? { prior: priorOf(given, given.prior, subjectClass) } : {}),
    ...(given.minSnr ? { minSnr: given.minSnr } : {}),
    ...(offsetNoise ? { offsetNoise } : {}),
    ...(given.noiseStrength === undefined || given.noiseStrength === 1
      ? {}
      : { noiseStrength: given.noiseStrength }),
    ...(given.lrSchedule ? { lrSchedule: given.lrSchedule } : {}),
  };
}

function priorOf(given: ExamplesGiven, pictures: number, subjectClass: string) {
  if (given.classPrompt === undefined && subjectClass === '')
    throw new KronaError(
      'OPTION_MISSING',
      'Class pictures need to know the class; give --class, --class-prompt or a --subject of two words.',
    );
  return {
    prompt: given.classPrompt ?? `a photo of ${subjectClass}`,
    pictures,
    weight: given.priorWeight ?? PRIOR_DEFAULTS.weight,
    folder: given.classPictures ?? join(process.env['KRONA_DATA'] || 'data', 'class-pictures'),
  };
}
