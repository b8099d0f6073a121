/** @file `krona train`: an adapter from a folder of photos. */
import { readdir } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { Option, type Command } from 'commander';
import type { FactorPairs } from '../../gpu-worker/adapters/krona.ts';
import { PROJECTION_KINDS } from '../../gpu-worker/adapters/targets.ts';
import { checkpointInterval } from '../../gpu-worker/training/best-checkpoint.ts';
import { checkpointPath } from '../../gpu-worker/training/checkpoint.ts';
import { statePath } from '../../gpu-worker/training/resume.ts';
import { trainAdapter } from '../../gpu-worker/training/train.ts';
import type { PreferencePoint } from '../../gpu-worker/training/refine-options.ts';
import type { TrainOptions, TrainResult } from '../../gpu-worker/training/train-options.ts';
import { KronaError } from '../../core/errors.ts';
import { checkReplaceable, exists, makeFolder } from '../../core/files.ts';
import { counted } from '../../core/format.ts';
import { SCHEDULERS } from '../../core/settings/choices.ts';
import { DRAW_SETTINGS } from '../../core/settings/draw-table.ts';
import { readSetting } from '../../core/settings/read.ts';
import { TRAIN_SETTINGS } from '../../core/settings/train-table.ts';
import { deviceOption, prepareDevice } from '../device.ts';
import { addSettings, checked, collected, modelOption, seedOption } from '../options.ts';
import { action, type CommandIo, type Outcome, type Shell } from '../output.ts';
import { unusedOptions } from '../unused-options.ts';
import { NEEDS, trainOptions, type TrainGiven, type TrainInput } from './train-options.ts';
import { checkSamples, drawSamples } from './train-samples.ts';

/** Most steps of a run, and so between two checkpoints. */
const { max: MANY_STEPS } = TRAIN_SETTINGS.steps.cli;

export function define(train: Command, shell: Shell): void {
  defineInput(train);
  addSettings(train, TRAIN_SETTINGS);
  train.addOption(
    new Option(
      '--factors <list>',
      'a1 and a2 for some kinds of projections (q, k, v, o, ff), such as k:8x64,v:8x64',
    ).argParser(factorPairs),
  );
  train.addOption(seedOption('adapter', '0'));
  defineRun(train);
  action(train, shell, (io, given: TrainGiven) => trainAsGiven(given, io));
}

/** What to train on. */
function defineInput(train: Command): void {
  train
    .addOption(modelOption())
    .requiredOption('--photos <dir>', 'folder with photos of the subject')
    .requiredOption('--subject <text>', 'name for prompts: a rare word and a class, such as "sks cat"')
    .option('--class <noun>', 'what the subject is (default: the last word of --subject, if it has several)')
    .option(
      '--prompt <text>',
      'caption of every photo (default: "a photo of" and the subject; small models: "a" and the subject)',
    )
    .option('--no-captions', 'ignore captions in photo.txt or photo.caption beside the photos')
    .option(
      '--refine <file>',
      'go on from this adapter, with --pairs; its method and sizes stay, and steps and lr have defaults of their own',
    )
    .option(
      '--pairs <file>',
      'JSON file of pictures that people preferred: {"pairs": [{"winner", "loser", "prompt"}], "examples": [{"picture", "prompt"}]}',
    )
    .option(
      '--class-prompt <text>',
      'prompt of class pictures (default: "a photo of" and the class; small models: "a" and the class)',
    )
    .option('--class-pictures <dir>', 'folder for class pictures (default: class-pictures/ in KRONA_DATA)');
}

/** What happens around the training. */
function defineRun(train: Command): void {
  const every = {
    description: 'Steps between checkpoints',
    type: 'integer',
    min: 1,
    max: MANY_STEPS,
  } as const;
  train
    .addOption(checked('--checkpoint-every <n>', every, 'only the end'))
    .option('--resume', 'continue the unfinished run of --out')
    .addOption(
      new Option(
        '--restart',
        'start again: discard the unfinished run of --out, replace a finished one',
      ).conflicts('resume'),
    )
    .option('--sample <prompt>', 'draw this prompt at every checkpoint and at the end; repeatable', collected)
    .addOption(
      new Option(
        '--scheduler <name>',
        `sampling method of --sample: ${SCHEDULERS.join(', ')} (default: the model's)`,
      ).argParser((typed: string) => readSetting({ ...DRAW_SETTINGS.scheduler, name: '--scheduler' }, typed)),
    )
    .option('--trace <file>', 'record every step, to reproduce the run with another implementation')
    .addOption(deviceOption())
    .requiredOption('--out <file>', 'adapter file to write (.safetensors)');
}

async function trainAsGiven(given: TrainGiven, io: CommandIo): Promise<Outcome> {
  await prepareDevice(given.device);
  const { options, input } = await trainOptions(given);
  for (const note of unusedOptions(given, NEEDS)) io.log(note);
  tellInput(input, io);
  await checkOutputs(given, options);
  const { sample: prompts = [], scheduler = null } = given;
  if (prompts.length > 0) {
    const note = await checkSamples(options.model, scheduler, prompts);
    if (note !== null) io.log(note);
  }
  const { steps } = options;
  const samples: string[] = [];
  const result = await trainAdapter(options, {
    signal: io.signal,
    onSaved: async (saved) => {
      if (prompts.length === 0) return;
      io.progress.show({ phase: 'drawing samples', step: saved.step, steps, secondsLeft: null });
      samples.push(...(await drawSamples(saved, prompts, options, scheduler, io.signal)));
    },
    onScored: ({ step, score, fidelity, alignment }) =>
      io.log(
        `Step ${step}: score ${score.toFixed(3)} (likeness ${fidelity.toFixed(3)}, prompts ${alignment.toFixed(3)}).`,
      ),
    onProgress: (progress) =>
      io.progress.show(progress, progress.loss === null ? '' : `loss ${progress.loss.toFixed(4)}`),
  });
  return {
    json: { ...result, ...input, ...(prompts.length > 0 && { samples }) },
    text: [describe(result), ...samples].join('\n'),
  };
}

/**
 * Makes the folders of what is written, and looks at what lies there: better told now than after the last step.
 *
 * @throws KronaError RUN_FINISHED, FILE_UNWRITABLE
 */
async function checkOutputs(given: TrainGiven, options: TrainOptions): Promise<void> {
  const { out, trace, resume, restart } = given;
  const there = (await checkReplaceable(out)) ? basename(out) : await oldCheckpoint(options);
  if (trace !== undefined) await checkReplaceable(trace);
  for (const path of [out, ...(trace === undefined ? [] : [trace])]) await makeFolder(dirname(path));
  // An unfinished run beside it is told of by the training.
  if (there !== null && !resume && !restart && !(await exists(statePath(out))))
    throw new KronaError(
      'RUN_FINISHED',
      `${there} exists already. Replace it with --restart, or give another --out.`,
    );
}

/** Name of a checkpoint of an earlier run that a new one would replace, such as the best of it; null for none. */
async function oldCheckpoint(options: TrainOptions): Promise<string | null> {
  const { out, steps } = options;
  const every = checkpointInterval(options);
  if (every === null) return null;
  const names = new Set(await readdir(dirname(out)).catch((): string[] => []));
  for (let step = every; step < steps; step += every) {
    const name = basename(checkpointPath(out, step));
    if (names.has(name)) return name;
  }
  return null;
}

/** Names every file that is not used, and the photos without a caption where some have one. */
function tellInput({ photos, captions }: TrainInput, io: CommandIo): void {
  for (const { reason } of photos.unused) io.log(`Not used: ${reason}`);
  if (captions === null || captions.found === 0) return;
  const without = captions.missing.length === 0 ? '' : `; without: ${captions.missing.join(', ')}`;
  io.log(`Captions: ${captions.found} of ${counted(photos.used, 'photo')}${without}.`);
}

/** `k:8x64,v:8x64` → a pair each. */
function factorPairs(text: string): FactorPairs {
  const pairs = text.split(',').map((each) => {
    const [, kind, a1, a2] = /^\s*(\w+):([1-9]\d*)[x×]([1-9]\d*)\s*$/.exec(each) ?? [];
    if (kind === undefined || !PROJECTION_KINDS.some((known) => known === kind))
      throw new KronaError(
        'OPTION_INVALID',
        `\`--factors\` must be a list such as k:8x64,v:8x64 of ${PROJECTION_KINDS.join(', ')}; you gave “${each}”.`,
      );
    return [kind, [Number(a1), Number(a2)]] as const;
  });
  return Object.fromEntries(pairs);
}

function describe(result: TrainResult): string {
  const { adapter, parameters, steps, loss, scores, preference, secondsPerStep, peakMemoryMiB } = result;
  const ended = scores.length > 0 && steps < loss.length ? `, the best of ${loss.length}` : '';
  return [
    `${adapter}: ${parameters.toLocaleString('en')} parameters after ${steps} steps${ended}`,
    `loss ${loss.at(-1)?.toFixed(4) ?? '-'}, ${secondsPerStep.toFixed(3)} s per step, peak memory ${Math.round(peakMemoryMiB)} MiB`,
    ...preference.slice(-1).map(describePairs),
  ].join('\n');
}

function describePairs({ accuracy, margin, heldOut }: PreferencePoint): string {
  const share = (of: number): string => `${Math.round(100 * of)}%`;
  const held = heldOut === null ? '' : `, of held-out pairs ${share(heldOut.accuracy)}`;
  return `ordered as people did: ${share(accuracy)} of pairs${held}; margin ${margin.toExponential(2)}`;
}
