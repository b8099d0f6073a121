/** @file Draws the fixed held-out prompts with a model and judges the pictures. */
import type { TextToImage } from '../sampling/text-to-image.ts';
import { fromBytes } from './composite.ts';
import type { PretrainData } from './concepts.ts';
import { heldOutPrompts, Judge, summarise, type Report } from './judge.ts';
import { prepareArt } from './sampler.ts';
import { contactSheet, type SheetPicture } from './sheet.ts';
import type { SpriteSheet } from './sprites.ts';

export interface Evaluation {
  readonly report: Report;
  /** PNG of every picture with its prompt, green where concept and background came as asked. */
  readonly sheet: Buffer;
}

/** How judged pictures are drawn. */
export const JUDGED_SAMPLING = { steps: 20, guidance: 4 } as const;

/** One picture for each of the first `count` held-out prompts (judge.ts), its number as seed. */
export async function drawPrompts(
  engine: TextToImage,
  data: PretrainData,
  sprites: SpriteSheet,
  count: number,
  onDrawn: (done: number) => void = () => undefined,
): Promise<Evaluation> {
  const prompts = heldOutPrompts(data, count);
  const judge = new Judge(prepareArt(data, sprites.sprites));
  const judgements = [];
  const cells: SheetPicture[] = [];
  for (const [seed, { prompt, concept, background }] of prompts.entries()) {
    const request = {
      prompt,
      negative: null,
      adapter: null,
      ...JUDGED_SAMPLING,
      scheduler: null,
      width: data.size,
      height: data.size,
    };
    const [picture] = await engine.draw({ ...request, seed, count: 1, noise: 'krona' });
    const image = fromBytes(picture!.pixels);
    const judgement = judge.judge(image, background);
    judgements.push(judgement);
    cells.push({
      image,
      label: prompt,
      right: judgement.background === background && judgement.concepts[0] === concept,
    });
    onDrawn(cells.length);
  }
  return { report: summarise(prompts, judgements), sheet: await contactSheet(cells) };
}
