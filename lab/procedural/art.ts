/**
 * @file Generated drawings, as SVG texts by number, to train the autoencoder on more than emoji. Figures have a
 * transparent background; fields fill their square. Number `index` of `seed` is always the same text.
 */
import { ExampleRandom } from '../pretrain/example-random.ts';
import { MEASURED_BODIES, TRAINED_BODIES, type Body } from './bodies.ts';
import { drawFace, drawMascot, eyesOf } from './faces.ts';
import { drawGradient, drawLines, drawText, drawTexture } from './fields.ts';
import { drawLetters } from './letters.ts';
import { drawShapes, drawStrokes } from './shapes.ts';

export const FIGURES = ['mascot', 'face', 'shapes', 'strokes', 'letters'] as const;
export const FIELDS = ['gradient', 'texture', 'lines', 'text'] as const;
export type ArtKind = (typeof FIGURES)[number] | (typeof FIELDS)[number];

/** Most kinds have no body. */
type Drawer = (random: ExampleRandom, body: Body) => string;

const DRAWERS: Readonly<Record<ArtKind, Drawer>> = {
  mascot: drawMascot,
  face: drawFace,
  shapes: drawShapes,
  strokes: drawStrokes,
  letters: drawLetters,
  gradient: drawGradient,
  texture: drawTexture,
  lines: drawLines,
  text: drawText,
};

/** A drawing of a kind, 256×256 pixels. @param measured use an outline reserved for measuring */
export function proceduralArt(kind: ArtKind, seed: number, index: number, measured = false): string {
  const random = new ExampleRandom(seed, index);
  const parts = DRAWERS[kind](random, pickBody(random, measured));
  return `<svg xmlns="http://www.w3.org/2000/svg" width="256" height="256" viewBox="0 0 256 256">${parts}</svg>`;
}

/** Number of eyes of the mascot with this number, for checking by eye. */
export function mascotEyes(seed: number, index: number, measured = false): number {
  const random = new ExampleRandom(seed, index);
  pickBody(random, measured);
  return eyesOf(random);
}

const pickBody = (random: ExampleRandom, measured: boolean): Body =>
  random.pick<Body>(measured ? MEASURED_BODIES : TRAINED_BODIES);
