/**
 * @file `krona autoencoder`: trains only the embedded model's autoencoder, and measures how well autoencoders restore
 * drawings.
 */
import { fileURLToPath } from 'node:url';
import { Option, type Command } from 'commander';
import { measureAutoencoders, qualityTable } from '../../lab/autoencoder/measure-autoencoder.ts';
import { trainAutoencoder } from '../../lab/autoencoder/train-autoencoder.ts';
import type { Device } from '../../core/config.ts';
import { deviceOption, prepareDevice } from '../device.ts';
import { checked } from '../options.ts';
import { action, type Shell } from '../output.ts';

const CONFIG = fileURLToPath(new URL('../../lab/autoencoder/autoencoder.json', import.meta.url));

export function define(autoencoder: Command, shell: Shell): void {
  defineTrain(autoencoder, shell);
  defineMeasure(autoencoder, shell);
}

interface Training {
  config: string;
  from: string;
  photos?: string;
  run: string;
  device?: Device;
  out: string;
}

function defineTrain(autoencoder: Command, shell: Shell): void {
  const train = autoencoder
    .command('train')
    .description('train an autoencoder on all emoji sets, generated drawings and photos')
    .addOption(
      new Option('--config <file>', 'sizes and length of the training').default(
        CONFIG,
        'lab/autoencoder/autoencoder.json',
      ),
    )
    .requiredOption(
      '--from <dir>',
      'autoencoder to start from, such as models/krona-emoji/vae; it is widened',
    )
    .option('--photos <dir>', 'photos to train with (default: none)')
    .requiredOption('--run <dir>', 'folder for checkpoints, logs and curve.jsonl; resumes an earlier run')
    .addOption(deviceOption())
    .requiredOption('--out <dir>', 'autoencoder folder to write, at every save and at the end');
  action(train, shell, async (io, { config, from, photos, run, device, out }: Training) => {
    io.log(await prepareDevice(device));
    await trainAutoencoder({
      config,
      from,
      ...(photos === undefined ? {} : { photos }),
      folder: run,
      out,
      secondsBetweenSaves: 600,
      signal: io.signal,
      onProgress: ({ stage, step, steps, loss, samplesPerSecond, secondsLeft }) =>
        io.progress.show(
          { phase: stage, step, steps, secondsLeft },
          `loss ${loss.toFixed(4)}, ${samplesPerSecond.toFixed(1)} samples/s`,
        ),
    });
    return { json: { autoencoder: out }, text: `Autoencoder: ${out}` };
  });
}

function defineMeasure(autoencoder: Command, shell: Shell): void {
  const each = {
    name: 'each',
    description: 'Drawings of each set',
    type: 'integer',
    min: 1,
    max: 300,
  } as const;
  const measure = autoencoder
    .command('measure')
    .description('compare autoencoders on held-out drawings')
    .argument('<dir...>', "autoencoders' folders, such as models/krona-emoji/vae")
    .addOption(checked('--each <n>', each, '24'))
    .option('--photos <dir>', 'held-out photos to measure too')
    .addOption(deviceOption())
    .requiredOption('--out <dir>', 'folder for the report, the table and sheets');
  action(
    measure,
    shell,
    async (
      io,
      folders: string[],
      given: { device?: Device; each?: number; photos?: string; out: string },
    ) => {
      io.log(await prepareDevice(given.device));
      const report = await measureAutoencoders({
        folders,
        out: given.out,
        ...(given.each === undefined ? {} : { each: given.each }),
        ...(given.photos === undefined ? {} : { photos: given.photos }),
        onProgress: (folder) => io.log(`Measuring ${folder}`),
      });
      return { json: report, text: qualityTable(report) };
    },
  );
}
