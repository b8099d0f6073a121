/** @file How long a sweep takes on the worker's computer, with where the numbers come from. */
import { sweepSteps, type Rung } from '../sweep-plan.ts';
import { speedKey } from './computer.ts';
import { SMALL_MODEL, type ModelCard } from './model-card.ts';
import type { ChannelSettings } from './schema.ts';

/** Pictures that score a cell after a rung (gpu-worker/training/checkpoint-scorer.ts). */
const SCORED = 6;
/** What starting a cell costs in training steps: opening the model, compiling, reading photos. */
const START = 15;

/** Seconds of a training step where nothing is measured: by device, of models that draw at 256 pixels or less, and others. */
const GUESSED = { cpu: { small: 0.2, large: 60 }, other: { small: 0.05, large: 1 } } as const;

export interface SweepTime {
  readonly seconds: number;
  /** As a sentence ends: `measured on trainings here`. */
  readonly basis: string;
}

interface Speeds {
  readonly training: number;
  /** A sampling step with guidance. */
  readonly drawing: number;
  readonly basis: string;
}

/** Seconds a training step: from past trainings, else from the check of the device, else guessed. */
function speedsOf(model: ModelCard | null): Speeds {
  const { computer } = model ?? {};
  const checked = model ? computer?.check?.speeds[speedKey(model)] : undefined;
  const drawing = computer?.drawnStep ?? checked?.step;
  const told = (training: number, basis: string): Speeds => ({
    training,
    drawing: drawing ?? training / 2,
    basis,
  });
  if (computer?.trainedStep) return told(computer.trainedStep, 'measured on trainings here');
  if (checked?.training != null) return told(checked.training, `${checked.basis} by \`krona device check\``);
  const guesses = computer && computer.device !== 'cpu' ? GUESSED.other : GUESSED.cpu;
  const small = model !== null && model.nativeSize <= SMALL_MODEL;
  return told(small ? guesses.small : guesses.large, 'a guess, as nothing was trained here yet');
}

/** Returns how long the rungs take: training, scoring, and the sheet. @param model the worker's; null: not known */
export function sweepTime(
  rungs: readonly Rung[],
  { samplingSteps }: Pick<ChannelSettings, 'samplingSteps'>,
  model: ModelCard | null,
): SweepTime {
  const { training, drawing, basis } = speedsOf(model);
  const starts = rungs.reduce((sum, { cells }) => sum + cells, 0);
  const pictures = SCORED * starts + SCORED + (rungs[0]?.cells ?? 0);
  return {
    seconds: training * (sweepSteps(rungs) + START * starts) + drawing * samplingSteps * pictures,
    basis,
  };
}
