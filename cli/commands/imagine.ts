/** @file `krona imagine`: pictures of a prompt, with or without an adapter. */
import { join } from 'node:path';
import { Option, type Command } from 'commander';
import { MAX_PROMPT } from '../../commands/work/imagine.ts';
import { checkSide, SETTING_OPTIONS } from '../../commands/settings/settings-check.ts';
import { randomSeed } from '../../commands/work/work.ts';
import type { AppliedAdapter } from '../../gpu-worker/adapters/adapter-inputs.ts';
import { modelCard } from '../../gpu-worker/adapters/model-card.ts';
import { imagineDefaults } from '../../gpu-worker/sampling/imagine-defaults.ts';
import { createNoise } from '../../gpu-worker/sampling/noise.ts';
import { writePicture } from '../../gpu-worker/sampling/picture-file.ts';
import { drawRefined, REFINER_STRENGTH } from '../../gpu-worker/sampling/refine.ts';
import {
  TextToImage,
  type DrawHooks,
  type DrawnPicture,
  type DrawRequest,
} from '../../gpu-worker/sampling/text-to-image.ts';
import type { Device } from '../../core/config.ts';
import { KronaError } from '../../core/errors.ts';
import { makeFolder } from '../../core/files.ts';
import { SCHEDULERS, type SchedulerName } from '../../core/settings/settings.ts';
import { deviceOption, prepareDevice } from '../device.ts';
import { imageStart, sizeOfImage, STRENGTH } from '../image-start.ts';
import { checked, modelOption } from '../options.ts';
import { action, type CommandIo, type Shell } from '../output.ts';

/** What commander gives: values that were checked one by one. */
interface Given {
  model: string;
  adapter?: readonly { path: string; strength: number }[];
  prompt: string;
  negative?: string;
  steps?: number;
  guidance?: number;
  guidanceRescale?: number;
  scheduler?: SchedulerName;
  width?: number;
  height?: number;
  seed?: number;
  count?: number;
  noise?: 'torch' | 'krona';
  image?: string;
  strength?: number;
  refiner?: string;
  refineFrom?: number;
  device?: Device;
  tiles?: 'auto' | 'on' | 'off';
  out: string;
}

export function define(command: Command, shell: Shell): void {
  const { samplingSteps, guidance, rescale, scheduler } = SETTING_OPTIONS;
  const prompt = {
    name: 'prompt',
    description: 'What to draw',
    type: 'text',
    maxLength: MAX_PROMPT,
  } as const;
  const share = (name: string, description: string, min: number, max: number) =>
    ({ name, description, type: 'number', min, max }) as const;
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
    .addOption(checked('--guidance <x>', guidance, '7 for SDXL, 7.5 for SD 1 and 2; small models 3'))
    .addOption(checked('--guidance-rescale <x>', { ...rescale, name: 'guidance-rescale' }, '0'))
    .addOption(
      checked(
        '--scheduler <name>',
        {
          ...scheduler,
          description: `${scheduler.description} (pndm: without the Runge–Kutta start, as SD 1.x has it)`,
          choices: SCHEDULERS,
        },
        'the one the folder names',
      ),
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
    .option('--image <file>', 'a picture to start from instead of noise')
    .addOption(
      checked(
        '--strength <x>',
        share('strength', 'How much of the image may change', 0.01, 1),
        `${STRENGTH}`,
      ),
    )
    .option('--refiner <dir>', "a second model that goes over the pictures, such as SDXL's refiner")
    .addOption(
      checked(
        '--refine-from <x>',
        share('refine-from', 'Share of the noise levels after which the refiner takes over', 0.05, 0.95),
        `it goes over the finished latents at strength ${REFINER_STRENGTH}`,
      ),
    )
    .addOption(
      checked(
        '--tiles <when>',
        {
          name: 'tiles',
          description: 'Decode in tiles, which takes less memory',
          type: 'text',
          choices: ['auto', 'on', 'off'],
        },
        'auto: above two megapixels',
      ),
    )
    .addOption(deviceOption())
    .requiredOption('--out <dir>', 'folder for the pictures');
  action(command, shell, async (io, given: Given) => {
    // Better told now than after the last step.
    await makeFolder(given.out);
    checkTogether(given);
    await prepareDevice(given.device);
    const painter = await TextToImage.open(given.model);
    const refiner = given.refiner === undefined ? null : await TextToImage.open(given.refiner);
    try {
      const request = await drawRequest(painter, given, io);
      const source = createNoise(request.noise, request.seed);
      const start =
        given.image === undefined
          ? null
          : await imageStart(
              painter,
              request,
              { path: given.image, strength: given.strength ?? STRENGTH },
              source,
            );
      const whole = start ? { ...request, start } : request;
      const how =
        given.refineFrom === undefined ? { strength: REFINER_STRENGTH } : { from: given.refineFrom };
      const { pictures, ...times } = await timed(request.steps, io, (hooks) =>
        refiner
          ? drawRefined(painter, refiner, whole, how, hooks, source)
          : painter.draw(whole, hooks, source),
      );
      const images = await save(pictures, request, given.out);
      const peakMemoryMiB = process.resourceUsage().maxRSS / 1024;
      io.log(
        `seed ${request.seed}, ${times.secondsPerImage.toFixed(2)} s a picture, ` +
          `peak memory ${Math.round(peakMemoryMiB)} MiB`,
      );
      return { json: { images, seed: request.seed, ...times, peakMemoryMiB }, text: images.join('\n') };
    } finally {
      await painter.release();
      await refiner?.release();
    }
  });
}

/** @throws KronaError OPTION_INVALID when an option says something about another that is not there */
function checkTogether(given: Given): void {
  const invalid = (message: string): never => {
    throw new KronaError('OPTION_INVALID', message);
  };
  if (given.strength !== undefined && given.image === undefined)
    invalid('--strength says how much of --image may change; give an image.');
  if (given.refineFrom !== undefined && given.refiner === undefined)
    invalid('--refine-from says when the model of --refiner takes over; give a refiner.');
  if (given.refineFrom !== undefined && given.image !== undefined)
    invalid('With --image the refiner goes over the finished picture; leave out --refine-from.');
}

async function drawRequest(painter: TextToImage, given: Given, io: CommandIo): Promise<DrawRequest> {
  const model = modelCard(painter.model);
  const own = imagineDefaults(model);
  const defaults = given.image === undefined ? own : { ...own, ...(await sizeOfImage(given.image, model)) };
  const { width = defaults.width, height = defaults.height, adapter = [] } = given;
  checkSide('width', width, model);
  checkSide('height', height, model);
  const adapters: AppliedAdapter[] = [];
  for (const { path, strength } of adapter) {
    const applied = await painter.readAdapter(path, strength);
    adapters.push(applied);
    for (const note of applied.notes ?? []) io.log(note);
  }
  return {
    prompt: given.prompt,
    negative: given.negative ?? null,
    adapter: adapters,
    steps: given.steps ?? defaults.steps,
    guidance: given.guidance ?? defaults.guidance,
    guidanceRescale: given.guidanceRescale ?? 0,
    scheduler: given.scheduler ?? null,
    width,
    height,
    seed: given.seed ?? randomSeed(),
    count: given.count ?? 1,
    noise: given.noise ?? 'krona',
    ...(given.tiles && given.tiles !== 'auto' && { tiled: given.tiles === 'on' }),
  };
}

async function timed(
  steps: number,
  io: CommandIo,
  draw: (hooks: DrawHooks) => Promise<readonly DrawnPicture[]>,
) {
  const began = performance.now();
  let first = began;
  let last = began;
  const show = (step: number, steps: number, secondsLeft: number | null) =>
    io.progress.show({ phase: 'drawing', step, steps, secondsLeft });
  let counted = 1;
  show(0, steps, null);
  const pictures = await draw({
    signal: io.signal,
    onStep: (step, steps) => {
      last = performance.now();
      if (step === 1) first = last;
      counted = step;
      show(step, steps, step === 1 ? null : ((last - first) / (step - 1) / 1000) * (steps - step));
    },
  });
  // The first step also prepares the model, so it counts only when it is the only one.
  const secondsPerStep = (counted > 1 ? (last - first) / (counted - 1) : last - began) / 1000;
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
    pictures.map(async (picture, i) => {
      const path = join(folder, `${name}-${i + 1}.png`);
      await writePicture(path, picture);
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
