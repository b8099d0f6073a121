/** @file The options of `krona train` that decide what its examples are and what they count. */
import { join } from 'node:path';
import type { Command } from 'commander';
import { dataFolder } from '../../core/environment.ts';
import { SETTING_OPTIONS } from '../../commands/settings/settings-check.ts';
import { PRIOR_DEFAULTS } from '../../gpu-worker/training/class-pictures.ts';
import { chosenOptions } from '../../gpu-worker/training/chosen-options.ts';
import { DEFAULT_BACKGROUND, DEFAULT_CUTS } from '../../gpu-worker/training/photo-cache.ts';
import { findMasks, readCaptions } from '../../gpu-worker/training/photo-sidecars.ts';
import type { TrainOptions } from '../../gpu-worker/training/train-options.ts';
import { KronaError } from '../../core/errors.ts';
import { DEFAULT_TRAIN_SETTINGS, MASKS, type TrainSettings } from '../../core/settings/train-settings.ts';
import { checked } from '../options.ts';

/** What commander gives. */
export interface ExamplesGiven extends Partial<Omit<TrainSettings, 'targets'>> {
  captions?: boolean;
  cuts?: number;
  background?: number;
  priorWeight?: number;
  classPrompt?: string;
  classPictures?: string;
  noiseStrength?: number;
}

export function defineExamples(train: Command): void {
  const { crop, flip, buckets, mask, prior, minSnr, lrSchedule } = SETTING_OPTIONS;
  const told = ({ description }: { description: string }): string =>
    description.charAt(0).toLowerCase() + description.slice(1);
  const number = (name: string, description: string, max: number) =>
    ({ name, description, type: 'number', min: 0, max }) as const;
  const integer = (name: string, description: string, min: number, max: number) =>
    ({ name, description, type: 'integer', min, max }) as const;
  train
    .option('--no-captions', 'do not read photo.txt beside a photo as what it shows')
    .addOption(checked('--crop <where>', crop, 'center'))
    .addOption(checked('--cuts <n>', integer('cuts', 'Random cuts of a photo', 1, 64), `${DEFAULT_CUTS}`))
    .option('--flip', told(flip))
    .option('--buckets', told(buckets))
    .addOption(checked('--mask <source>', { ...mask, choices: ['off', ...MASKS] }, 'off'))
    .addOption(
      checked(
        '--background <x>',
        number('background', "What the rest counts under a mask, of the subject's 1", 1),
        `${DEFAULT_BACKGROUND}`,
      ),
    )
    .addOption(checked('--prior <n>', { ...prior, max: 10_000 }, '0'))
    .addOption(
      checked(
        '--prior-weight <x>',
        number('prior-weight', 'What class pictures count', 100),
        `${PRIOR_DEFAULTS.weight}`,
      ),
    )
    .option(
      '--class-prompt <text>',
      'what class pictures show (default: "a photo of" and the class; small models: "a" and the class)',
    )
    .option('--class-pictures <dir>', "where class pictures are kept (default: KRONA_DATA's class-pictures/)")
    .addOption(checked('--min-snr <gamma>', minSnr, '0'))
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
    .addOption(checked('--lr-schedule <name>', lrSchedule, 'constant'));
}

type Examples = ReturnType<typeof chosenOptions> &
  Partial<Pick<TrainOptions, 'captions' | 'masks' | 'cuts' | 'background' | 'noiseStrength'>>;

/**
 * Those that are given.
 *
 * @param photoOf the prompt of a photo of what is named
 * @throws KronaError OPTION_MISSING for class pictures of no class
 */
export async function examplesOf(
  given: ExamplesGiven,
  photos: readonly string[],
  subjectClass: string,
  photoOf: (named: string) => string,
): Promise<Examples> {
  const captions = given.captions === false ? [] : await readCaptions(photos);
  const { mask, cuts, background, noiseStrength = 1 } = given;
  const settings: TrainSettings = { ...DEFAULT_TRAIN_SETTINGS, ...given, targets: 'attention' };
  return {
    ...chosenOptions(settings, () => priorOf(given, subjectClass, photoOf)),
    ...(captions.some((caption) => caption !== null) ? { captions } : {}),
    ...(cuts === undefined ? {} : { cuts }),
    ...(mask && mask !== 'off' ? { masks: await findMasks(photos) } : {}),
    ...(background === undefined ? {} : { background }),
    ...(noiseStrength === 1 ? {} : { noiseStrength }),
  };
}

function priorOf(given: ExamplesGiven, subjectClass: string, photoOf: (named: string) => string) {
  if (given.classPrompt === undefined && subjectClass === '')
    throw new KronaError(
      'OPTION_MISSING',
      'Class pictures need to know the class; give --class, --class-prompt or a --subject of two words.',
    );
  return {
    prompt: given.classPrompt ?? photoOf(subjectClass),
    weight: given.priorWeight ?? PRIOR_DEFAULTS.weight,
    folder: given.classPictures ?? join(dataFolder(), 'class-pictures'),
  };
}
