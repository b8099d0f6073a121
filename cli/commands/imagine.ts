/** @file `krona imagine`: pictures of a prompt, with or without adapters. */
import { join } from 'node:path';
import { Option, type Command } from 'commander';
import { createNoise } from '../../gpu-worker/sampling/noise.ts';
import { openTinyAutoencoder } from '../../gpu-worker/models/tiny-autoencoder.ts';
import { writeEnlarged, writePicture } from '../../gpu-worker/sampling/picture-file.ts';
import { Previews } from '../../gpu-worker/sampling/previews.ts';
import { drawRefined, REFINER_STRENGTH } from '../../gpu-worker/sampling/refine.ts';
import {
  TextToImage,
  type DrawHooks,
  type DrawnPicture,
  type DrawRequest,
} from '../../gpu-worker/sampling/text-to-image.ts';
import { makeFolder } from '../../core/files.ts';
import { AREAS, type PictureArea } from '../../core/pictures/area.ts';
import { parametersText } from '../../core/pictures/png-parameters.ts';
import { alternativesOf } from '../../core/prompts/alternatives.ts';
import { counted } from '../../core/format.ts';
import { defaultOf } from '../../core/settings/defaults.ts';
import { DRAW_SETTINGS } from '../../core/settings/draw-table.ts';
import { deviceOption, prepareDevice } from '../device.ts';
import { imagePart, imageStart, partStart, shapeOfImage, steerOf } from '../image-start.ts';
import { addSettings, checked, modelOption, seedOption } from '../options.ts';
import { action, type CommandIo, type Outcome, type Shell } from '../output.ts';
import {
  checkTogether,
  drawRequest,
  fileAndStrength,
  withFlags,
  type ImagineGiven,
} from './imagine-request.ts';

/** Characters; a thousand tokens and more. */
const LONGEST_PROMPT = 10_000;
/** Prompts that one with alternatives can stand for. */
const MOST_ALTERNATIVES = 64;

export function define(command: Command, shell: Shell): void {
  const prompt = { description: 'What to draw', type: 'text', maxLength: LONGEST_PROMPT } as const;
  command
    .addOption(modelOption())
    .addOption(checked('--prompt <text>', prompt).makeOptionMandatory())
    // May be empty, which is not the same as none: see force_zeros_for_empty_prompt.
    .option('--negative <text>', 'what to avoid')
    .addOption(
      new Option(
        '--adapter <file[:strength]>',
        'adapter file, with an optional strength (default: 1); repeatable',
      ).argParser(fileAndStrength),
    );
  addSettings(command, DRAW_SETTINGS);
  command
    .addOption(seedOption('picture', 'random'))
    .option('--image <file>', 'start from this picture instead of noise')
    .option(
      '--mask <file|word>',
      `draw only this part of --image again: a picture, white there, or ${AREAS.join(', ')}`,
    )
    .option('--more-like <files...>', 'pictures to draw more like, without training (FABRIC)')
    .option('--less-like <files...>', 'pictures to draw less like; needs --guidance above 1')
    .option(
      '--speed <file>',
      'adapter for few steps (LCM, TCD, Lightning, Hyper-SD, Turbo); its name says scheduler, steps and guidance',
    )
    .option('--refiner <dir>', "second model to refine the pictures with, such as SDXL's refiner")
    .option(
      '--previews [dir]',
      'also write a preview of the first picture after each step; by the AutoencoderTiny (TAESD) in <dir>, if given',
    )
    .addOption(deviceOption())
    .option('--parameters', 'write prompt and settings into the files, as A1111 and ComfyUI read them')
    .requiredOption('--out <dir>', 'folder for the pictures');
  action(command, shell, (io, given: ImagineGiven) => imagineAsGiven(given, io));
}

async function imagineAsGiven(given: ImagineGiven, io: CommandIo): Promise<Outcome> {
  // Better told now than after the last step.
  await makeFolder(given.out);
  checkTogether(given);
  await prepareDevice(given.device);
  const painter = await TextToImage.open(given.model);
  const refiner = given.refiner === undefined ? null : await TextToImage.open(given.refiner);
  try {
    const asked = withFlags(given);
    const part =
      given.image === undefined || given.mask === undefined ? null : await imagePart(given.image, given.mask);
    const shape = part ?? (given.image === undefined ? null : await shapeOfImage(given.image));
    const request = await drawRequest(painter, given, asked, shape, io);
    const { moreLike = [], lessLike = [] } = given;
    const steer =
      moreLike.length + lessLike.length > 0 ? await steerOf(painter, request, moreLike, lessLike) : null;
    const previews = await previewsTo(given, painter, request);
    const prompts = alternativesOf(request.prompt, MOST_ALTERNATIVES);
    const { pictures, ...times } = await timed(request.steps * prompts.length, io, (hooks) =>
      drawEach(prompts, request.steps, hooks, (prompt, counting, isFirst) =>
        draw(
          painter,
          refiner,
          { ...request, prompt, ...(steer && { steer }) },
          { ...given, part },
          { ...counting, ...(isFirst && previews && { onEstimate: previews.write }) },
        ),
      ),
    );
    await previews?.release();
    const images = await save(pictures, request, given, painter.model.name);
    const { tokens, chunks } = painter.promptLength(request.prompt);
    const peakMemoryMiB = process.resourceUsage().maxRSS / 1024;
    io.log(
      `seed ${request.seed}, ${times.secondsPerImage.toFixed(2)} s per picture, ` +
        `peak memory ${Math.round(peakMemoryMiB)} MiB, ${counted(tokens, 'token')}` +
        (chunks > 1 ? ` in ${chunks} chunks` : ''),
    );
    return {
      json: { images, seed: request.seed, tokens, chunks, ...times, peakMemoryMiB },
      text: images.join('\n'),
    };
  } finally {
    await painter.release();
    await refiner?.release();
  }
}

interface StepPreviews {
  readonly write: (latents: Float32Array) => Promise<void>;
  readonly release: () => Promise<void>;
}

/** Writes a preview of each step of the first picture to the folder for pictures; null where none are asked for. */
async function previewsTo(
  { previews: asked, out }: ImagineGiven,
  { model }: TextToImage,
  request: DrawRequest,
): Promise<StepPreviews | null> {
  if (asked === undefined) return null;
  const previews = new Previews(model, asked === true ? null : await openTinyAutoencoder(asked));
  let step = 0;
  return {
    write: async (latents) => {
      const first = latents.subarray(0, latents.length / request.count);
      const picture = await previews.draw(first, request);
      await writeEnlarged(join(out, `${fileName(request)}-1-step-${++step}.png`), picture, request);
    },
    release: () => previews.release(),
  };
}

/** Draws what each alternative stands for, and counts the steps of all. */
async function drawEach(
  prompts: readonly string[],
  steps: number,
  hooks: DrawHooks,
  drawOne: (prompt: string, hooks: DrawHooks, isFirst: boolean) => Promise<readonly DrawnPicture[]>,
): Promise<SavedPicture[]> {
  const all: SavedPicture[] = [];
  for (const [n, prompt] of prompts.entries()) {
    const left = prompts.length - n - 1;
    const onStep = (step: number, of: number): void =>
      hooks.onStep?.(n * steps + step, n * steps + of + left * steps);
    for (const picture of await drawOne(prompt, { ...hooks, onStep }, n === 0))
      all.push({ ...picture, prompt });
  }
  return all;
}

/** Draws, from `--image` where it is given, and with the refiner if there is one. */
async function draw(
  painter: TextToImage,
  refiner: TextToImage | null,
  request: DrawRequest,
  { image, part, strength, refineFrom }: ImagineGiven & { readonly part: PictureArea | null },
  hooks: DrawHooks,
): Promise<readonly DrawnPicture[]> {
  const source = createNoise(request.noise, request.seed);
  if (part !== null) {
    const { start, around } = await partStart(painter, request, part, strength ?? 1, source);
    const drawn = await painter.draw({ ...request, start }, hooks, source);
    return Promise.all(drawn.map(around));
  }
  const usual = strength ?? defaultOf('imageStrength');
  const whole =
    image === undefined
      ? request
      : { ...request, start: await imageStart(painter, request, { path: image, strength: usual }, source) };
  if (refiner === null) return painter.draw(whole, hooks, source);
  const how = refineFrom === undefined ? { strength: REFINER_STRENGTH } : { from: refineFrom };
  return drawRefined(painter, refiner, whole, how, hooks, source);
}

async function timed<P extends DrawnPicture>(
  steps: number,
  io: CommandIo,
  draw: (hooks: DrawHooks) => Promise<readonly P[]>,
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

/** A picture with the one of its prompt's alternatives that it shows. */
type SavedPicture = DrawnPicture & { readonly prompt: string };

function fileName({ prompt, seed }: DrawRequest): string {
  const words = prompt.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? ['picture'];
  // Letters, not halves of them.
  return `${[...words.join('-')].slice(0, 40).join('')}-${seed}`;
}

/** Writes PNG files named by prompt, seed and number. @returns their paths */
async function save(
  pictures: readonly SavedPicture[],
  request: DrawRequest,
  { out, parameters, image, mask, strength }: ImagineGiven,
  model: string,
): Promise<string[]> {
  const name = fileName(request);
  return Promise.all(
    pictures.map(async (picture, i) => {
      const path = join(out, `${name}-${i + 1}.png`);
      const { prompt } = picture;
      const change = image === undefined ? null : (strength ?? (mask ? 1 : defaultOf('imageStrength')));
      await writePicture(
        path,
        picture,
        parameters ? parametersText({ ...request, prompt, model, change }) : undefined,
      );
      return path;
    }),
  );
}
