/** @file `krona evaluate adapter`: scores an adapter by the numbers that papers report. */
import { Option, type Command } from 'commander';
import type { Device } from '../../core/config.ts';
import { readEnvironment } from '../../core/environment.ts';
import { adapterTable, measureAdapter } from '../../lab/evaluate/measure-adapter.ts';
import { deviceOption, prepareDevice } from '../device.ts';
import { checked, modelOption } from '../options.ts';
import { action, type Shell } from '../output.ts';

interface Given {
  photos: string;
  model: string;
  clip?: string;
  dino?: string;
  subject?: string;
  class?: string;
  prompts: string;
  seeds?: number;
  device?: Device;
  out: string;
}

/** DreamBooth draws four pictures of each prompt. */
const SEEDS = 4;

export function defineAdapter(evaluate: Command, shell: Shell): void {
  const { KRONA_CLIP, KRONA_DINO } = readEnvironment();
  const seeds = { description: 'Pictures of each prompt', type: 'integer', min: 1, max: 100 } as const;
  const adapter = evaluate
    .command('adapter')
    .description("draw DreamBench's prompts with an adapter and score them: CLIP-I, DINO, CLIP-T")
    .argument('<file>', 'adapter file')
    .requiredOption('--photos <dir>', 'folder of photos of the subject')
    .addOption(modelOption())
    .addOption(folderOption('--clip <dir>', 'CLIP', 'KRONA_CLIP', KRONA_CLIP))
    .addOption(folderOption('--dino <dir>', 'DINO or DINOv2', 'KRONA_DINO', KRONA_DINO))
    .option('--subject <token>', "the subject's token (default: as the adapter's file has it)")
    .option('--class <word>', "the subject's class word (default: as the adapter's file has it)")
    .option('--prompts <list>', 'objects, live, or a JSON list with {} for the subject', 'objects')
    .addOption(checked('--seeds <n>', seeds, String(SEEDS)))
    .addOption(deviceOption())
    .requiredOption('--out <dir>', 'folder for pictures, report, table and sheet; resumes an earlier run');
  action(adapter, shell, async (io, file: string, given: Given) => {
    io.log(await prepareDevice(given.device));
    const { photos, model, clip, dino, subject, class: className, prompts, out } = given;
    const report = await measureAdapter({
      ...{ adapter: file, photos, model, prompts, out, seeds: given.seeds ?? SEEDS },
      ...(clip === undefined ? {} : { clip }),
      ...(dino === undefined ? {} : { dino }),
      ...(subject === undefined ? {} : { subject }),
      ...(className === undefined ? {} : { className }),
      signal: io.signal,
      onProgress: (progress) => io.progress.show(progress),
    });
    return { json: report, text: adapterTable(report) };
  });
}

function folderOption(flags: string, what: string, variable: string, value: string | undefined): Option {
  const option = new Option(flags, `folder of ${what}, as transformers saves it`);
  return option.default(value, `${variable}, or none`);
}
