/**
 * @file training.json of a model folder: every run of `krona pretrain` that trained its weights, oldest first, and the
 * same as text for the model card.
 */
import { join } from 'node:path';
import { KronaError } from '../../core/errors.ts';
import { readFileIfAny } from '../../core/files.ts';
import { counted } from '../../core/format.ts';
import type { StageSettings } from './config-schema.ts';
import { readStageRecord, type StageRecord } from './stage-record.ts';

export interface TrainedStage extends StageRecord {
  /** `autoencoder` or `diffusion`. */
  readonly name: string;
  readonly samples: number;
  readonly batch: number;
  /** Peak learning rate of the run. */
  readonly learningRate: number;
}

export interface TrainingRun {
  /** null if nothing is recorded about the run. */
  readonly stages: readonly TrainedStage[] | null;
}

const FILE = 'training.json';

/**
 * The runs of a model folder; one unknown run if it has no training.json.
 *
 * @throws KronaError PRETRAIN_HISTORY when the file holds something else
 */
export async function readTrainingHistory(folder: string): Promise<readonly TrainingRun[]> {
  const text = await readFileIfAny(join(folder, FILE));
  if (text === null) return [{ stages: null }];
  try {
    const { runs } = JSON.parse(text) as { runs?: TrainingRun[] };
    if (runs?.every(({ stages }) => stages === null || Array.isArray(stages))) return runs;
  } catch {
    // Told below.
  }
  throw new KronaError(
    'PRETRAIN_HISTORY',
    `${FILE} of --from isn't a list of runs; fix it, or remove it to start from weights of unknown origin.`,
  );
}

export const trainingHistoryText = (runs: readonly TrainingRun[]): string =>
  `${JSON.stringify({ runs }, null, 2)}\n`;

/** The saved stages of a run's folder, in the given order. */
export async function recordedStages(
  folder: string,
  stages: Readonly<Record<string, StageSettings>>,
): Promise<readonly TrainedStage[]> {
  const records = Object.entries(stages).map(async ([name, { batch, lr }]): Promise<TrainedStage[]> => {
    const record = await readStageRecord(folder, name);
    if (!record) return [];
    const { steps, ...rest } = record;
    return [{ name, samples: steps * batch, steps, batch, learningRate: lr, ...rest }];
  });
  return (await Promise.all(records)).flat();
}

const TITLES: Readonly<Record<string, string>> = { diffusion: 'UNet and text encoders' };
const titleOf = (stage: string): string => TITLES[stage] ?? stage;

/** Markdown: a line for each stage of each run, and the totals. */
export function describeTraining(runs: readonly TrainingRun[]): string {
  const known = runs.flatMap(({ stages }) => stages ?? []);
  const totals = [...new Set(known.map(({ name }) => name))].map((name) => {
    const all = known.filter((stage) => stage.name === name);
    const samples = all.reduce((sum, stage) => sum + stage.samples, 0);
    return `${titleOf(name)} ${samples.toLocaleString('en')} samples, ${hours(secondsOf(all))}`;
  });
  const incomplete = known.length > 0 && runs.some(({ stages }) => stages === null);
  return [
    ...runs.flatMap(({ stages }, index) => {
      const run = runs.length > 1 ? `run ${index + 1}, ` : '';
      return stages === null ? [`- ${run}not recorded`] : stages.map((stage) => `- ${run}${describe(stage)}`);
    }),
    ...(runs.length > 1 ? [`- total${incomplete ? ' recorded' : ''}: ${totals.join('; ')}`] : []),
    '',
  ].join('\n');
}

function describe(stage: TrainedStage): string {
  const { name, samples, steps, batch, learningRate, seconds, threads, processor } = stage;
  const where =
    seconds === null || threads === null ? '' : ` on ${counted(threads, 'thread')} (${processor})`;
  return (
    `${titleOf(name)}: ${samples.toLocaleString('en')} samples in ${steps.toLocaleString('en')} steps of ${batch}, ` +
    `learning rate up to ${learningRate}, ${hours(seconds)}${where}`
  );
}

/** null if any stage lacks a record. */
const secondsOf = (stages: readonly TrainedStage[]): number | null =>
  stages.reduce<number | null>(
    (sum, { seconds }) => (sum === null || seconds === null ? null : sum + seconds),
    0,
  );

const hours = (seconds: number | null): string =>
  seconds === null ? 'hours not recorded' : `${(seconds / 3600).toFixed(1)} hours`;
