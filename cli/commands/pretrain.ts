/** @file `krona pretrain`: trains the embedded model from drawings to a model folder. */
import { Option, type Command } from 'commander';
import { defaultConfigPath } from '../../lab/pretrain/pretrain-config.ts';
import type { Report } from '../../lab/pretrain/judge.ts';
import { pretrain, statusPagePath } from '../../lab/pretrain/pretrain.ts';
import type { Device } from '../../core/config.ts';
import { deviceOption, prepareDevice } from '../device.ts';
import { action, type Shell } from '../output.ts';

interface Given {
  config: string;
  run: string;
  from?: string;
  autoencoder?: string;
  device?: Device;
  out: string;
}

export function define(command: Command, shell: Shell): void {
  command
    .addOption(
      new Option('--config <file>', 'concepts, sizes and lengths of the stages').default(
        defaultConfigPath,
        "the embedded model's",
      ),
    )
    .requiredOption(
      '--run <dir>',
      'folder for checkpoints, logs and samples; resumes an earlier run; index.html shows progress',
    )
    .option('--from <dir>', 'model folder to take initial weights from, where the shapes match')
    .option('--autoencoder <dir>', 'trained autoencoder of the same sizes (default: the run trains its own)')
    .addOption(deviceOption())
    .requiredOption('--out <dir>', 'model folder to write; replaces an earlier model');
  action(command, shell, async (io, given: Given) => {
    io.log(await prepareDevice(given.device));
    io.log(`Progress: ${statusPagePath(given.run)}`);
    let samples: { sheet: string; report: Report } | null = null;
    await pretrain({
      config: given.config,
      folder: given.run,
      ...(given.from ? { from: given.from } : {}),
      ...(given.autoencoder ? { autoencoder: given.autoencoder } : {}),
      out: given.out,
      signal: io.signal,
      onProgress: ({ stage, step, steps, loss, samplesPerSecond, secondsLeft }) =>
        io.progress.show(
          { phase: stage, step, steps, secondsLeft: secondsLeft > 0 ? secondsLeft : null },
          [
            ...(loss === null ? [] : [`loss ${loss.toFixed(4)}`]),
            ...(samplesPerSecond > 0 ? [`${samplesPerSecond.toFixed(1)} samples/s`] : []),
          ].join(', '),
        ),
      onSamples: (sheet, { report }) => {
        samples = { sheet, report };
        io.log(`${sheet}: ${describe(report)}`);
      },
    });
    return { json: { model: given.out, samples }, text: `Model: ${given.out}` };
  });
}

function describe({ prompts, background, top1, all }: Report): string {
  const percent = (share: number) => `${Math.round(share * 100)}%`;
  return `${prompts} held-out prompts: ${percent(background)} of backgrounds right, ${percent(top1)} of concepts, ${percent(all)} all right`;
}
