/** @file `krona imagine`: pictures of a prompt, with or without an adapter. */
import { mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Option, type Command } from 'commander';
import sharp from 'sharp';
import { MAX_PROMPT } from '../../commands/imagine.ts';
import { SETTING_OPTIONS } from '../../commands/settings-check.ts';
import { randomSeed } from '../../commands/work.ts';
import type { AppliedAdapter } from '../../gpu-worker/adapters/adapter-inputs.ts';
import { modelCard } from '../../gpu-worker/adapters/model-card.ts';
import { imagineDefaults } from '../../gpu-worker/sampling/imagine-defaults.ts';
import { TextToImage, type DrawnPicture, type DrawRequest } from '../../gpu-worker/sampling/text-to-image.ts';
import { KronaError } from '../../storage/errors.ts';
import { SCHEDULERS, type SchedulerName } from '../../storage/settings.ts';
import { checked, checkSize, modelOption } from '../options.ts';
import { action, type CommandIo, type Shell } from '../output.ts';

/** What commander gives: values that were checked one by one. */
interface Given {
  model: string;
  adapter?: readonly { path: string; strength: number }[];
  prompt: string;
  negative?: string;
  steps?: number;
  guidance?: number;
  scheduler?: SchedulerName;
  width?: number;
  height?: number;
  seed?: number;
  count?: number;
  noise?: 'torch' | 'krona';
  out: string;
}

export function define(command: Command, shell: Shell): void {
  const { samplingSteps, guidance, scheduler } = SETTING_OPTIONS;
  const prompt = {
    name: 'prompt',
    description: 'What to draw',
    type: 'text',
    maxLength: MAX_PROMPT,
  } as const;
  const integer = (name: string, description: string, min: number, max: number) =>
    ({ name, description, type: 'integer', min, max }) as const;
  command
    .addOption(modelOption())
    .addOption(
      new Option(
        '--adapter <file[:strength]>',
        'an adapter file, at strength 1 unless another is given; give it again for several at once',
      ).argParser(adaptersAndStrengths),
    )
    .addOption(checked('--prompt <text>', prompt).makeOptionMandatory())
    // May be empty, which is not the same as none: see force_zeros_for_empty_prompt.
    .option('--negative <text>', 'what to keep out')
    .addOption(checked('--steps <n>', { ...samplingSteps, name: 'steps' }, '30; small models 20'))
    .addOption(checked('--guidance <x>', guidance, '5; small models 4'))
    .addOption(
      checked('--scheduler <name>', { ...scheduler, choices: SCHEDULERS }, 'the one the folder names'),
    )
    .addOption(checked('--width <n>', integer('width', 'Pixels', 8, 4096), "the model's size"))
    .addOption(checked('--height <n>', integer('height', 'Pixels', 8, 4096), "the model's size"))
    .addOption(
      checked('--seed <n>', integer('seed', 'Same seed, same picture', 0, Number.MAX_SAFE_INTEGER), 'random'),
    )
    .addOption(checked('--count <n>', integer('count', 'Pictures, drawn together', 1, 64), '1'))
    .addOption(
      checked(
        '--noise <kind>',
        {
          name: 'noise',
          description: 'With torch, a seed draws the picture that diffusers draws',
          type: 'text',
          choices: ['krona', 'torch'],
        },
        'krona',
      ),
    )
    .requiredOption('--out <dir>', 'folder for the pictures');
  action(command, shell, async (io, given: Given) => {
    // Better told now than after the last step.
    await mkdir(given.out, { recursive: true }).catch((cause: unknown) => {
      throw new KronaError('FILE_UNWRITABLE', `The folder ${basename(given.out)} cannot be made.`, { cause });
    });
    const painter = await TextToImage.open(given.model);
    try {
      const request = await drawRequest(painter, given);
      const { pictures, ...times } = await timed(painter, request, io);
      const images = await save(pictures, request, given.out);
      const peakMemoryMiB = process.resourceUsage().maxRSS / 1024;
      io.log(
        `seed ${request.seed}, ${times.secondsPerImage.toFixed(2)} s a picture, ` +
          `peak memory ${Math.round(peakMemoryMiB)} MiB`,
      );
      return { json: { images, seed: request.seed, ...times, peakMemoryMiB }, text: images.join('\n') };
    } finally {
      await painter.release();
    }
  });
}

async function drawRequest(painter: TextToImage, given: Given): Promise<DrawRequest> {
  const model = modelCard(painter.model);
  const defaults = imagineDefaults(model);
  const { width = defaults.width, height = defaults.height, adapter = [] } = given;
  checkSize('width', width, model);
  checkSize('height', height, model);
  const adapters: AppliedAdapter[] = [];
  for (const { path, strength } of adapter) adapters.push(await painter.readAdapter(path, strength));
  return {
    prompt: given.prompt,
    negative: given.negative ?? null,
    adapter: adapters,
    steps: given.steps ?? defaults.steps,
    guidance: given.guidance ?? defaults.guidance,
    scheduler: given.scheduler ?? null,
    width,
    height,
    seed: given.seed ?? randomSeed(),
    count: given.count ?? 1,
    noise: given.noise ?? 'krona',
  };
}

async function timed(painter: TextToImage, request: DrawRequest, io: CommandIo) {
  const began = performance.now();
  let first = began;
  let last = began;
  const show = (step: number, steps: number, secondsLeft: number | null) =>
    io.progress.show({ phase: 'drawing', step, steps, secondsLeft });
  show(0, request.steps, null);
  const pictures = await painter.draw(request, {
    signal: io.signal,
    onStep: (step, steps) => {
      last = performance.now();
      if (step === 1) first = last;
      show(step, steps, step === 1 ? null : ((last - first) / (step - 1) / 1000) * (steps - step));
    },
  });
  // The first step also prepares the model, so it counts only when it is the only one.
  const secondsPerStep = (request.steps > 1 ? (last - first) / (request.steps - 1) : last - began) / 1000;
  const secondsPerImage = (performance.now() - began) / 1000 / pictures.length;
  return { pictures, secondsPerImage, secondsPerStep };
}

/** PNG files named by prompt, seed and number. @returns their paths */
async function save(
  pictures: readonly DrawnPicture[],
  request: DrawRequest,
  folder: string,
): Promise<string[]> {
  const words = request.prompt.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? ['picture'];
  const name = `${words.join('-').slice(0, 40)}-${request.seed}`;
  return Promise.all(
    pictures.map(async ({ width, height, pixels }, i) => {
      const path = join(folder, `${name}-${i + 1}.png`);
      await sharp(pixels, { raw: { width, height, channels: 3 } })
        .toFile(path)
        .catch((cause: unknown) => {
          throw new KronaError('FILE_UNWRITABLE', `${basename(path)} could not be written.`, { cause });
        });
      return path;
    }),
  );
}

/** `mochi.safetensors:0.8` → that file at strength 0.8, after those given before it. */
function adaptersAndStrengths(value: string, earlier: Given['adapter'] = []): NonNullable<Given['adapter']> {
  const [, path, strength] = /^(.+?)(?::([+-]?[\d.]+(?:e[+-]?\d+)?))?$/i.exec(value) ?? [];
  const number = strength === undefined ? 1 : Number(strength);
  if (path === undefined || !Number.isFinite(number))
    throw new KronaError(
      'OPTION_INVALID',
      `adapter must be a file, or a file and a number as in mochi.safetensors:0.8; you gave “${value}”.`,
    );
  return [...earlier, { path, strength: number }];
}
