/**
 * @file training.json of a model folder: every run of `krona pretrain` that its weights went through, the first one first,
 * and the same in words for the model card.
 */
import { join } from 'node:path';
import { KronaError } from '../../core/errors.ts';
import { readFileIfAny } from '../../core/files.ts';
import type { StageSettings } from './config-schema.ts';
import { readStageRecord, type StageRecord } from './stage-record.ts';

export interface TrainedStage extends StageRecord {
  /** `autoencoder` or `diffusion`. */
  readonly name: string;
  readonly samples: number;
  readonly batch: number;
  /** The highest of the run. */
  readonly learningRate: number;
}

export interface TrainingRun {
  /** null where nothing tells what the run was. */
  readonly stages: readonly TrainedStage[] | null;
}

const FILE = 'training.json';

/**
 * The runs of a model folder; one of which nothing is known where it has no training.json.
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
    `${FILE} of --from is no list of runs; mend it, or remove it to begin on weights of which nothing is known.`,
  );
}

export const trainingHistoryText = (runs: readonly TrainingRun[]): string =>
  `${JSON.stringify({ runs }, null, 2)}\n`;

/** What stages have saved in a run's folder, in the order given. */
export async function runRecord(
  folder: string,
  stages: Readonly<Record<string, StageSettings>>,
): Promise<TrainingRun> {
  const records = Object.entries(stages).map(async ([name, { batch, lr }]): Promise<TrainedStage[]> => {
    const record = await readStageRecord(folder, name);
    if (!record) return [];
    const { steps, ...rest } = record;
    return [{ name, samples: steps * batch, steps, batch, learningRate: lr, ...rest }];
  });
  return { stages: (await Promise.all(records)).flat() };
}

const TITLES: Readonly<Record<string, string>> = { diffusion: 'UNet and text encoders' };
const titleOf = (stage: string): string => TITLES[stage] ?? stage;

/** Markdown: a line for each stage of each run, and what they come to. */
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
    ...(runs.length > 1 ? [`- in all${incomplete ? ' that is recorded' : ''}: ${totals.join('; ')}`] : []),
    '',
  ].join('\n');
}

function describe(stage: TrainedStage): string {
  const { name, samples, steps, batch, learningRate, seconds, threads, processor } = stage;
  const where = seconds === null || threads === null ? '' : ` on ${threads} threads (${processor})`;
  return (
    `${titleOf(name)}: ${samples.toLocaleString('en')} samples in ${steps.toLocaleString('en')} steps of ${batch}, ` +
    `learning rate up to ${learningRate}, ${hours(seconds)}${where}`
  );
}

/** null as soon as one stage does not tell. */
const secondsOf = (stages: readonly TrainedStage[]): number | null =>
  stages.reduce<number | null>(
    (sum, { seconds }) => (sum === null || seconds === null ? null : sum + seconds),
    0,
  );

const hours = (seconds: number | null): string =>
  seconds === null ? 'hours not recorded' : `${(seconds / 3600).toFixed(1)} hours`;
