/** @file Draws the fixed held-out prompts with a model and judges the pictures. */
import { DEFAULT_SETTINGS } from '../../core/settings/defaults.ts';
import type { DrawHooks, DrawRequest, TextToImage } from '../../gpu-worker/sampling/text-to-image.ts';
import { fromBytes } from '../../core/pictures/rgb-bytes.ts';
import type { PretrainData } from './concepts.ts';
import { heldOutPrompts, Judge, summarise, type Report } from './judge.ts';
import { prepareArt } from './sampler.ts';
import { contactSheet, type SheetPicture } from './sheet.ts';
import type { SpriteSheet } from './sprites.ts';

export interface Evaluation {
  readonly report: Report;
  /** PNG of all pictures with their prompts, green where concept and background are correct. */
  readonly sheet: Buffer;
}

/** Sampling settings for judged pictures: as people draw with small models. */
export const JUDGED_SAMPLING = {
  steps: DEFAULT_SETTINGS.samplingSteps,
  guidance: DEFAULT_SETTINGS.guidance,
} as const;

/** Pictures to judge, [3, size, size] in [-1, 1] each. */
export async function drawJudged(
  engine: TextToImage,
  size: number,
  asked: Pick<DrawRequest, 'prompt' | 'seed'> & Partial<Pick<DrawRequest, 'adapter' | 'count' | 'steer'>>,
  hooks: DrawHooks = {},
): Promise<Float32Array[]> {
  const pictures = await engine.draw(
    {
      negative: null,
      adapter: null,
      count: 1,
      ...asked,
      ...JUDGED_SAMPLING,
      scheduler: null,
      width: size,
      height: size,
      noise: 'krona',
    },
    hooks,
  );
  return pictures.map(({ pixels }) => fromBytes(pixels));
}

/**
 * One picture for each of the first `count` held-out prompts (judge.ts), with its index as seed.
 *
 * @param onDrawn after each, with pictures done and in all; awaited
 */
export async function drawPrompts(
  engine: TextToImage,
  data: PretrainData,
  sprites: SpriteSheet,
  count: number,
  onDrawn?: (done: number, all: number) => Promise<void>,
): Promise<Evaluation> {
  const prompts = heldOutPrompts(data, count);
  const judge = new Judge(prepareArt(data, sprites.sprites));
  const judgements = [];
  const cells: SheetPicture[] = [];
  for (const [seed, { prompt, concept, background }] of prompts.entries()) {
    const [image] = await drawJudged(engine, data.size, { prompt, seed });
    const judgement = judge.judge(image!, background);
    judgements.push(judgement);
    cells.push({
      image: image!,
      label: prompt,
      right: judgement.background === background && judgement.concepts[0] === concept,
    });
    await onDrawn?.(cells.length, prompts.length);
  }
  return { report: summarise(prompts, judgements), sheet: await contactSheet(cells) };
}
