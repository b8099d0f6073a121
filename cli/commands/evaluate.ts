/**
 * @file `krona evaluate`: evaluates models and adapters, compares training methods, and trains the classifiers that judge pictures.
 */
import { Option, type Command } from 'commander';
import { compareMethods } from '../../lab/evaluate/compare-methods.ts';
import { compareVotes } from '../../lab/evaluate/compare-votes.ts';
import { fullSize, quickSize } from '../../lab/evaluate/comparison-plan.ts';
import { comparisonTable } from '../../lab/evaluate/comparison-report.ts';
import {
  CLASSIFIER_KINDS,
  makeClassifier,
  type ClassifierKind,
} from '../../lab/evaluate/make-classifiers.ts';
import { drawFirstPrompts } from '../../lab/evaluate/first-prompts.ts';
import { FULL_COUNTS, measureModel, QUICK_COUNTS } from '../../lab/evaluate/measure-model.ts';
import { modelTable } from '../../lab/evaluate/model-report.ts';
import { measureSubjects } from '../../lab/evaluate/measure-subjects.ts';
import { readTrial } from '../../lab/evaluate/read-trial.ts';
import { readSubjects } from '../../lab/evaluate/subjects.ts';
import { subjectsTable } from '../../lab/evaluate/subjects-table.ts';
import type { Trial } from '../../lab/evaluate/comparison-plan.ts';
import { fullVotes, quickVotes } from '../../lab/evaluate/votes-plan.ts';
import { votesTable } from '../../lab/evaluate/votes-report.ts';
import { defaultConfigPath } from '../../lab/pretrain/pretrain-config.ts';
import type { Device } from '../../core/config.ts';
import { deviceOption, prepareDevice } from '../device.ts';
import { checked, modelOption } from '../options.ts';
import { action, type Shell } from '../output.ts';
import { defineAdapter } from './evaluate-adapter.ts';

export function define(evaluate: Command, shell: Shell): void {
  defineModel(evaluate, shell);
  defineAdapter(evaluate, shell);
  definePrompts(evaluate, shell);
  defineMethods(evaluate, shell);
  defineSubjects(evaluate, shell);
  defineVotes(evaluate, shell);
  defineClassifier(evaluate, shell);
}

const configOption = (): Option =>
  new Option('--config <file>', 'pretraining config of the model').default(
    defaultConfigPath,
    "the embedded model's",
  );
interface Given {
  model: string;
  config: string;
  quick?: boolean;
  card?: boolean;
  device?: Device;
  out: string;
}

const QUICK = 'run a small part in a few minutes, as a smoke test';

function defineModel(evaluate: Command, shell: Shell): void {
  const model = evaluate
    .command('model')
    .description('draw held-out prompts and compare the pictures with real ones')
    .addOption(modelOption())
    .addOption(configOption())
    .option('--quick', QUICK)
    .option('--card', "write the results and missed goals to the model's README.md")
    .addOption(deviceOption())
    .requiredOption('--out <dir>', 'folder for pictures, report, table and sheet; resumes an earlier run');
  action(model, shell, async (io, given: Given) => {
    const { model: folder, config, out, quick, card = false } = given;
    io.log(await prepareDevice(given.device));
    const report = await measureModel({
      model: folder,
      config,
      out,
      counts: quick ? QUICK_COUNTS : FULL_COUNTS,
      seeds: quick ? 1 : 2,
      card,
      signal: io.signal,
      onProgress: (progress) => io.progress.show(progress),
    });
    return { json: report, text: modelTable(report) };
  });
}

function definePrompts(evaluate: Command, shell: Shell): void {
  const prompts = evaluate
    .command('prompts')
    .description('draw a sheet of what newcomers type first, to look at')
    .addOption(modelOption())
    .addOption(configOption())
    .option('--prompts <file>', 'JSON list of prompts (default: sixty typical ones)')
    .addOption(deviceOption())
    .requiredOption('--out <dir>', 'folder for the sheet and the pictures');
  action(prompts, shell, async (io, given: Given & { prompts?: string }) => {
    io.log(await prepareDevice(given.device));
    const { model, config, out, prompts: list } = given;
    const sheet = await drawFirstPrompts({
      model,
      config,
      out,
      ...(list === undefined ? {} : { prompts: list }),
      signal: io.signal,
      onProgress: (progress) => io.progress.show(progress),
    });
    return { json: { sheet }, text: sheet };
  });
}

function defineMethods(evaluate: Command, shell: Shell): void {
  const jobs = {
    description: 'Trainings to run at the same time',
    type: 'integer',
    min: 1,
    max: 64,
  } as const;
  const methods = evaluate
    .command('methods')
    .description("compare krona, lora and full fine-tuning on new subjects, and test the paper's claims")
    .addOption(modelOption())
    .addOption(configOption())
    .addOption(checked('--jobs <n>', jobs, '2'))
    .option('--quick', QUICK)
    .addOption(deviceOption())
    .requiredOption('--out <dir>', 'folder for results, table, charts and sheet; resumes an earlier run');
  action(methods, shell, async (io, given: Given & { jobs?: number }) => {
    io.log(await prepareDevice(given.device));
    const { subjects } = await readSubjects();
    const report = await compareMethods({
      model: given.model,
      config: given.config,
      out: given.out,
      jobs: given.jobs ?? 2,
      size: given.quick ? quickSize(subjects) : fullSize(subjects),
      signal: io.signal,
      onProgress: (progress) => io.progress.show(progress),
    });
    return { json: report, text: comparisonTable(report) };
  });
}

function defineSubjects(evaluate: Command, shell: Shell): void {
  const seeds = { description: 'Trainings of each subject', type: 'integer', min: 1, max: 16 } as const;
  const subjects = evaluate
    .command('subjects')
    .description(
      'train new subjects and mascots at the defaults, and with other options, and score the pictures',
    )
    .addOption(modelOption())
    .addOption(configOption())
    .addOption(
      new Option('--trial <options...>', 'options beside the defaults, such as “wider a1=4 a2=16”').argParser(
        (text, before: Trial[] | undefined) => [...(before ?? []), readTrial(text)],
      ),
    )
    .option('--only <names...>', 'subjects and mascots to train (default: all)')
    .addOption(checked('--seeds <n>', seeds, '2'))
    .addOption(deviceOption())
    .requiredOption('--out <dir>', 'folder for results, table, sheet and quiz; resumes an earlier run');
  action(
    subjects,
    shell,
    async (io, given: Given & { trial?: readonly Trial[]; only?: readonly string[]; seeds?: number }) => {
      io.log(await prepareDevice(given.device));
      const { model, config, out, trial: trials = [], only, seeds: count = 2 } = given;
      const report = await measureSubjects({
        model,
        config,
        out,
        trials: [null, ...trials],
        seeds: Array.from({ length: count }, (_, n) => n + 1),
        ...(only && { only }),
        signal: io.signal,
        onProgress: (progress) => io.progress.show(progress),
      });
      return { json: report, text: subjectsTable(report) };
    },
  );
}

function defineVotes(evaluate: Command, shell: Shell): void {
  const votes = evaluate
    .command('votes')
    .description('refine adapters with votes of simulated members, and compare them with the champions')
    .addOption(modelOption())
    .addOption(configOption())
    .option('--quick', QUICK)
    .addOption(deviceOption())
    .requiredOption('--out <dir>', 'folder for results, table, chart and sheet; resumes an earlier run');
  action(votes, shell, async (io, given: Given) => {
    io.log(await prepareDevice(given.device));
    const { subjects } = await readSubjects();
    const report = await compareVotes({
      model: given.model,
      config: given.config,
      out: given.out,
      size: given.quick ? quickVotes(subjects) : fullVotes(subjects),
      signal: io.signal,
      onNote: (note) => io.log(note),
      onProgress: (progress) => io.progress.show(progress),
    });
    return { json: report, text: votesTable(report) };
  });
}

function defineClassifier(evaluate: Command, shell: Shell): void {
  const steps = {
    description: 'Training steps',
    type: 'integer',
    min: 1,
    max: 1e6,
  } as const;
  const classifier = evaluate
    .command('classifier')
    .description('train one of the two classifiers that judge pictures')
    .addOption(
      new Option('--kind <name>', 'kind of classifier').choices(CLASSIFIER_KINDS).makeOptionMandatory(),
    )
    .addOption(checked('--steps <n>', steps, 'depends on the kind'))
    .addOption(deviceOption())
    .requiredOption('--run <dir>', 'folder of the training run; resumes an earlier run')
    .requiredOption('--out <file>', 'classifier file to write, with LICENSES.md beside it');
  action(
    classifier,
    shell,
    async (
      io,
      given: Pick<Given, 'device' | 'out'> & { kind: ClassifierKind; steps?: number; run: string },
    ) => {
      io.log(await prepareDevice(given.device));
      const accuracies = await makeClassifier(given.kind, {
        run: given.run,
        out: given.out,
        ...(given.steps === undefined ? {} : { steps: given.steps }),
        signal: io.signal,
        onProgress: ({ stage, step, steps: all, loss, secondsLeft }) =>
          io.progress.show({ phase: stage, step, steps: all, secondsLeft }, `loss ${loss.toFixed(3)}`),
      });
      const lines = Object.entries(accuracies).map(
        ([what, share]) => `${what}: ${(100 * share).toFixed(1)}%`,
      );
      return { json: { classifier: given.out, accuracies }, text: lines.join('\n') };
    },
  );
}
