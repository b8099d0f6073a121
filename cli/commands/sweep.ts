/** @file `krona sweep`: a grid of factors and learning rates on a folder of photos. */
import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Option, type Command } from 'commander';
import type { Device } from '../../core/config.ts';
import { KronaError } from '../../core/errors.ts';
import { makeFolder } from '../../core/files.ts';
import { counted } from '../../core/format.ts';
import { encodePng } from '../../core/pictures/encode.ts';
import { sweepSheet } from '../../core/pictures/sweep-sheet.ts';
import { readSetting } from '../../core/settings/read.ts';
import { onCommandLine } from '../../core/settings/schema.ts';
import { TRAIN_SETTINGS } from '../../core/settings/train-table.ts';
import { cellName, sweepCells, type SweepAxes, type SweepCell } from '../../core/sweep-plan.ts';
import { modelCard } from '../../gpu-worker/adapters/model-card.ts';
import { imagineDefaults } from '../../gpu-worker/sampling/imagine-defaults.ts';
import { TextToImage } from '../../gpu-worker/sampling/text-to-image.ts';
import { runSweep, type SweepResult } from '../../gpu-worker/training/sweep.ts';
import type { TrainOptions } from '../../gpu-worker/training/train-options.ts';
import { deviceOption, prepareDevice } from '../device.ts';
import { modelOption, seedOption } from '../options.ts';
import { action, type CommandIo, type Outcome, type Shell } from '../output.ts';
import { trainOptions } from './train-options.ts';

interface SweepGiven extends Partial<SweepAxes> {
  device?: Device;
  model: string;
  photos: string;
  subject: string;
  class?: string;
  steps?: number;
  seed?: number;
  out: string;
}

/** `2,4,8`, each as `krona train` takes it. */
function listOption(key: keyof SweepAxes | 'steps', what: string): Option {
  const setting = onCommandLine(TRAIN_SETTINGS[key]);
  if (setting === null) throw new Error(`${key} is no option of the command line`);
  const { orWord: _word, auto: _auto, ...spec } = setting;
  const read = (typed: string): number => Number(readSetting(spec, typed.trim()));
  return key === 'steps'
    ? new Option('--steps <n>', what).argParser(read)
    : new Option(`--${key} <list>`, what).argParser((typed: string) => [
        ...new Set(typed.split(',').map(read)),
      ]);
}

export function define(sweep: Command, shell: Shell): void {
  sweep
    .addOption(modelOption())
    .requiredOption('--photos <dir>', 'folder with photos of the subject')
    .requiredOption('--subject <text>', 'name for prompts: a rare word and a class, such as "sks cat"')
    .option('--class <noun>', 'what the subject is (default: the last word of --subject, if it has several)')
    .addOption(listOption('a1', "values of a1, such as 2,4,8 (default: the model's)"))
    .addOption(listOption('a2', "values of a2, such as 8,16 (default: the model's)"))
    .addOption(listOption('lr', "learning rates, such as 1e-3,2e-3 (default: the model's)"))
    .addOption(listOption('steps', "steps of the best cells; others take fewer (default: the model's)"))
    .addOption(seedOption('adapter', '0'))
    .addOption(deviceOption())
    .requiredOption('--out <dir>', 'folder for the sheet and the best adapter; run again to resume');
  action(sweep, shell, (io, given: SweepGiven) => sweepAsGiven(given, io));
}

async function sweepAsGiven({ a1, a2, lr, ...given }: SweepGiven, io: CommandIo): Promise<Outcome> {
  await prepareDevice(given.device);
  const folder = join(given.out, 'cells');
  const best = join(given.out, 'best.safetensors');
  const asked = await trainOptions({ ...given, captions: true, out: best });
  const {
    out: _out,
    resume: _resume,
    keep: _keep,
    trace: _trace,
    checkpointEvery: _every,
    ...options
  } = asked.options;
  const axes = { a1: a1 ?? [options.a1], a2: a2 ?? [options.a2], lr: lr ?? [options.lr] };
  const cells = sweepCells(axes);
  if (cells.length < 2)
    throw new KronaError('SWEEP_SIZE', 'A sweep compares cells: give several values, such as --a1 2,4.');
  await makeFolder(folder);
  const scores = new Map<string, SweepResult>();
  const [winner, ...others] = await runSweep(
    { ...options, axes, folder },
    {
      signal: io.signal,
      onProgress: ({ cell, phase, ...progress }) =>
        io.progress.show({ ...progress, phase: `${phase} ${cellName(cell)}` }),
      onResult: (result) => void scores.set(cellName(result), result),
    },
  );
  if (winner === undefined) throw new Error('a sweep without a result');
  await copyFile(winner.adapter, best);
  const chosen = new Set([winner, ...others].map(cellName));
  const trained = cells.flatMap((cell) => scores.get(cellName(cell)) ?? []);
  const sheet = join(given.out, 'sheet.png');
  await writeFile(sheet, await drawSheet(trained, chosen, options, io.signal));
  return {
    json: {
      best,
      sheet,
      winner: axesOf(winner),
      cells: trained.map(({ score, ...cell }) => ({ ...axesOf(cell), ...score })),
    },
    text: [
      ...trained.map(
        (each) =>
          `${cellName(each)}: score ${each.score.score.toFixed(3)} (likeness ${each.score.fidelity.toFixed(3)}, prompts ` +
          `${each.score.alignment.toFixed(3)}) after ${counted(each.score.step, 'step')}${chosen.has(cellName(each)) ? ' *' : ''}`,
      ),
      `${best}: ${cellName(winner)}`,
      sheet,
    ].join('\n'),
  };
}

const axesOf = ({ a1, a2, lr }: SweepCell): SweepCell => ({ a1, a2, lr });

/** A picture by each cell, with the same prompt and seed. */
async function drawSheet(
  cells: readonly SweepResult[],
  chosen: ReadonlySet<string>,
  { model, seed, prompt }: Pick<TrainOptions, 'model' | 'seed' | 'prompt'>,
  signal: AbortSignal,
): Promise<Buffer> {
  const painter = await TextToImage.open(model);
  try {
    const request = {
      ...imagineDefaults(modelCard(painter.model)),
      prompt,
      negative: null,
      scheduler: null,
      seed,
    };
    const tiles = [];
    for (const { adapter, score, ...cell } of cells) {
      const read = await painter.readAdapter(adapter);
      const [drawn] = await painter.draw({ ...request, adapter: read, count: 1, noise: 'krona' }, { signal });
      const picture = drawn === undefined ? null : await encodePng(drawn);
      tiles.push({ ...axesOf(cell), picture, score: score.score, finalist: chosen.has(cellName(cell)) });
    }
    return (await sweepSheet(tiles)).png;
  } finally {
    await painter.release();
  }
}
