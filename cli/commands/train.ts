/** @file `krona train`: an adapter from a folder of photos. */
import { dirname } from 'node:path';
import { Option, type Command } from 'commander';
import {
  checkFactors,
  checkSide,
  SETTING_OPTIONS,
  trainedProjections,
} from '../../commands/settings/settings-check.ts';
import { DISTRIBUTIONS, type Distribution } from '../../gpu-worker/adapters/initial.ts';
import type { FactorPairs } from '../../gpu-worker/adapters/krona.ts';
import { modelCard } from '../../gpu-worker/adapters/model-card.ts';
import { openModel } from '../../gpu-worker/models/open-model.ts';
import { PROJECTION_KINDS, projectionKind } from '../../gpu-worker/adapters/targets.ts';
import { listPhotos } from '../../gpu-worker/training/photos.ts';
import {
  trainDefaults,
  trainRecipe,
  type TrainOptions,
  type TrainResult,
} from '../../gpu-worker/training/train-options.ts';
import { trainAdapter } from '../../gpu-worker/training/train.ts';
import type { Device } from '../../core/config.ts';
import { KronaError } from '../../core/errors.ts';
import { makeFolder } from '../../core/files.ts';
import { DEFAULT_RANK, SMALL_MODEL, type Method, type ModelCard } from '../../core/settings/settings.ts';
import { TARGETS, type Target } from '../../core/settings/train-settings.ts';
import { deviceOption, prepareDevice } from '../device.ts';
import { checked, modelOption } from '../options.ts';
import { action, type Shell } from '../output.ts';
import { drawSamples } from './train-samples.ts';
import { defineExamples, examplesOf, type ExamplesGiven } from './train-examples.ts';

/** What commander gives: values that were checked one by one. */
interface Given extends ExamplesGiven {
  device?: Device;
  model: string;
  photos: string;
  subject: string;
  class?: string;
  prompt?: string;
  method?: Method;
  a1?: number;
  a2?: number;
  factors?: FactorPairs;
  rank?: number;
  alpha?: number;
  init?: Distribution;
  targets?: Target[];
  lr?: number;
  steps?: number;
  accumulation?: number;
  weightDecay?: number;
  maxGradNorm?: number;
  seed?: number;
  resolution?: number;
  checkpointing?: boolean;
  checkpointEvery?: number;
  resume?: boolean;
  trace?: string;
  sample?: string[];
  out: string;
}

const MANY_STEPS = 1_000_000;
/** At most this much work is lost when the process dies. */
const STATE_SECONDS = 60;

export function define(train: Command, shell: Shell): void {
  const { a1, a2, rank, alpha, lr, steps, method, warmup } = SETTING_OPTIONS;
  const integer = (name: string, description: string, min: number, max: number) =>
    ({ name, description, type: 'integer', min, max }) as const;
  const number = (name: string, description: string, min: number, max: number) =>
    ({ name, description, type: 'number', min, max }) as const;
  train
    .addOption(modelOption())
    .requiredOption('--photos <dir>', 'folder with photos of the subject')
    .requiredOption('--subject <text>', 'how prompts name it: a rare word and its class, e.g. "sks cat"')
    .option('--class <noun>', 'what it is (default: the last word of the subject, when it has several)')
    .option(
      '--prompt <text>',
      'what each photo is said to show (default: "a photo of" and the subject; small models: "a" and the subject)',
    )
    .addOption(checked('--method <name>', method, 'krona'))
    .addOption(checked('--a1 <n>', a1, '4; small models 2'))
    .addOption(checked('--a2 <n>', a2, "64, or what the model's widths allow; small models 8"))
    .addOption(
      new Option(
        '--factors <list>',
        'another a1 and a2 for some of q, k, v, o, ff, e.g. k:8x64,v:8x64',
      ).argParser(factorPairs),
    )
    .addOption(checked('--rank <n>', rank, String(DEFAULT_RANK)))
    .addOption(checked('--alpha <x>', alpha, 'the rank'))
    .addOption(
      checked(
        '--init <name>',
        {
          name: 'init',
          description: 'How the random factor starts',
          type: 'text',
          choices: DISTRIBUTIONS,
        },
        'normal',
      ),
    )
    .addOption(
      new Option(
        '--targets <list>',
        `what krona and lora change: ${TARGETS.join(', ')} (default: attention)`,
      ).argParser(targetList),
    )
    .addOption(checked('--lr <x>', lr, 'krona 5e-4, lora 1e-4, full 5e-6; small models 2e-3, 2e-3, 2e-4'))
    .addOption(checked('--steps <n>', { ...steps, max: MANY_STEPS }, '1000; small models 200'))
    .addOption(checked('--warmup <n>', { ...warmup, max: MANY_STEPS }, '0'))
    .addOption(
      checked('--batch <n>', integer('batch', 'Photos of a micro-batch', 1, 256), '1; small models 4'),
    )
    .addOption(checked('--accumulation <n>', integer('accumulation', 'Batches of one step', 1, 1024), '1'))
    .addOption(checked('--weight-decay <x>', number('weight-decay', 'Of AdamW', 0, 1), '0.01'))
    .addOption(
      checked('--max-grad-norm <x>', number('max-grad-norm', 'Clip gradients; 0: never', 0, 1e6), '1'),
    )
    .addOption(
      checked('--seed <n>', integer('seed', 'Same seed, same adapter', 0, Number.MAX_SAFE_INTEGER), '0'),
    )
    .addOption(
      checked(
        '--resolution <n>',
        integer('resolution', 'Side of the training pictures', 8, 4096),
        "the model's",
      ),
    )
    .option(
      '--checkpointing',
      'recompute activations: less memory, about 15 % more time (default for large models)',
    )
    .option('--no-checkpointing', 'keep activations')
    .addOption(
      checked(
        '--checkpoint-every <n>',
        integer('checkpoint-every', 'Save every so many steps', 1, MANY_STEPS),
        'never',
      ),
    )
    .option('--resume', 'go on from what a stopped run left beside --out')
    .option(
      '--sample <prompt>',
      'draw this beside the adapter at every checkpoint and at the end; repeatable',
      (prompt: string, earlier: string[] = []) => [...earlier, prompt],
    )
    .option('--trace <file>', 'record the run, for another implementation to follow')
    .addOption(deviceOption())
    .requiredOption('--out <file>', 'where the adapter goes, a .safetensors file');
  defineExamples(train);
  action(train, shell, async (io, given: Given) => {
    await prepareDevice(given.device);
    const options = await trainOptions(given);
    // Better told now than after the last step.
    await makeFolder(dirname(options.out));
    const samples: string[] = [];
    const result = await trainAdapter(options, {
      signal: io.signal,
      onSaved: async (saved) => {
        if (!given.sample) return;
        io.progress.show({
          phase: 'drawing samples',
          step: saved.step,
          steps: options.steps,
          secondsLeft: null,
        });
        samples.push(...(await drawSamples(saved, given.sample, options, io.signal)));
      },
      onProgress: (progress) =>
        io.progress.show(progress, progress.loss === null ? '' : `loss ${progress.loss.toFixed(4)}`),
    });
    return {
      json: given.sample ? { ...result, samples } : result,
      text: [describe(result), ...samples].join('\n'),
    };
  });
}

async function trainOptions(given: Given): Promise<TrainOptions> {
  const model = modelCard(await openModel(given.model));
  const method = given.method ?? 'krona';
  const defaults = { ...trainRecipe(model), ...trainDefaults(model, method) };
  const photos = await listPhotos(given.photos);
  const words = subjectWords(given.subject, given.class);
  // No small model knows photos; chat says it so to all models.
  const photoOf = (named: string) => (model.nativeSize > SMALL_MODEL ? `a photo of ${named}` : `a ${named}`);
  const options: TrainOptions = {
    model: given.model,
    photos,
    ...words,
    prompt: given.prompt ?? '',
    method,
    a1: given.a1 ?? defaults.a1,
    a2: given.a2 ?? defaults.a2,
    ...(given.factors ? { factors: given.factors } : {}),
    ...(given.rank === undefined ? {} : { rank: given.rank }),
    ...(given.alpha === undefined ? {} : { alpha: given.alpha }),
    ...(given.init ? { init: given.init } : {}),
    lr: given.lr ?? defaults.lr,
    warmup: defaults.warmup,
    steps: given.steps ?? defaults.steps,
    batch: defaults.batch,
    accumulation: given.accumulation ?? defaults.accumulation,
    weightDecay: given.weightDecay ?? defaults.weightDecay,
    maxGradNorm: given.maxGradNorm === 0 ? null : (given.maxGradNorm ?? defaults.maxGradNorm),
    seed: given.seed ?? 0,
    resolution: given.resolution ?? defaults.resolution,
    checkpointing: given.checkpointing ?? defaults.checkpointing,
    checkpointEvery: given.checkpointEvery ?? null,
    stateSeconds: STATE_SECONDS,
    resume: given.resume ?? false,
    trace: given.trace ?? null,
    out: given.out,
    ...(defaults.offsetNoise === undefined ? {} : { offsetNoise: defaults.offsetNoise }),
    ...(given.targets ? { targets: given.targets } : {}),
    ...(await examplesOf(given, photos, words.subjectClass, photoOf)),
  };
  if (method === 'krona') checkAllFactors(options, model);
  checkSide('resolution', options.resolution, model);
  if (options.prompt !== '') return options;
  return { ...options, prompt: photoOf(`${options.subjectToken} ${options.subjectClass}`.trim()) };
}

/** Each kind of projection by the pair that it gets. @throws KronaError FACTORS_UNFIT */
function checkAllFactors({ a1, a2, factors, targets }: TrainOptions, model: ModelCard): void {
  const projections = trainedProjections(targets ?? ['attention'], model);
  const own = (path: string): boolean => factors?.[projectionKind(path)] !== undefined;
  const among = (fits: (path: string) => boolean) => projections.filter(({ path }) => fits(path));
  checkFactors(
    { a1, a2 },
    among((path) => !own(path)),
  );
  for (const kind of PROJECTION_KINDS) {
    const pair = factors?.[kind];
    if (pair)
      checkFactors(
        { a1: pair[0], a2: pair[1] },
        among((path) => projectionKind(path) === kind),
      );
  }
}

/** `k:8x64,v:8x64` → a pair each. */
function factorPairs(text: string): FactorPairs {
  const pairs = text.split(',').map((each) => {
    const [, kind, a1, a2] = /^\s*(\w+):([1-9]\d*)[x×]([1-9]\d*)\s*$/.exec(each) ?? [];
    if (kind === undefined || !PROJECTION_KINDS.some((known) => known === kind))
      throw new KronaError(
        'OPTION_INVALID',
        `factors must be a list as k:8x64,v:8x64 of ${PROJECTION_KINDS.join(', ')}; you gave “${each}”.`,
      );
    return [kind, [Number(a1), Number(a2)]] as const;
  });
  return Object.fromEntries(pairs);
}

function targetList(text: string): Target[] {
  const given = text.split(',').map((each) => each.trim());
  const unknown = given.find((each) => !TARGETS.some((target) => target === each));
  if (unknown !== undefined)
    throw new KronaError(
      'OPTION_INVALID',
      `targets must be a list of ${TARGETS.join(', ')}; you gave “${unknown}”.`,
    );
  return TARGETS.filter((target) => given.includes(target));
}

/** `sks cat` → token `sks` and class `cat`; a class that is given is what follows the token. */
function subjectWords(subject: string, given: string | undefined) {
  const text = subject.trim().replace(/\s+/g, ' ');
  const subjectClass = given?.trim() ?? (text.includes(' ') ? text.split(' ').at(-1)! : '');
  const ends = subjectClass !== '' && text.endsWith(` ${subjectClass}`);
  return { subjectToken: ends ? text.slice(0, -subjectClass.length - 1) : text, subjectClass };
}

function describe(result: TrainResult): string {
  const { adapter, parameters, steps, loss, secondsPerStep, peakMemoryMiB } = result;
  return [
    `${adapter}: ${parameters.toLocaleString('en')} parameters after ${steps} steps`,
    `loss ${loss.at(-1)?.toFixed(4) ?? '-'}, ${secondsPerStep.toFixed(3)} s a step, peak memory ${Math.round(peakMemoryMiB)} MiB`,
  ].join('\n');
}
