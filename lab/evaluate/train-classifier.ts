/**
 * @file Trains the two classifiers on drawings: concepts on the judge sets, styles on the training sets. Examples are
 * made by number, and augmented to look like a small model's pictures: any position, size and colour, and blurred.
 */
import * as op from '../../gpu-worker/graph/ops.ts';
import type { Tensor } from '../../gpu-worker/graph/tensor.ts';
import { FlatLayout, namedSlices, type Parameters } from '../../gpu-worker/models/parameters.ts';
import { composite } from '../pretrain/composite.ts';
import { hashName } from '../pretrain/held-out.ts';
import { initialise } from '../pretrain/initialise.ts';
import type { Sprite } from '../pretrain/sprites.ts';
import { runStage, type Stage, type StageOptions } from '../pretrain/stage.ts';
import type { StageSettings } from '../pretrain/config-schema.ts';
import { ExampleRandom } from '../pretrain/example-random.ts';
import {
  CLASSIFIER_SIDE as SIDE,
  classifierNetwork,
  classifierParameters,
  type ClassifierConfig,
} from './classifier.ts';

/** A drawing and its class. */
export interface LabelledDrawing {
  readonly sprite: Sprite;
  /** Index into the classes. */
  readonly label: number;
}

export interface ClassifierTraining {
  readonly name: string;
  readonly config: ClassifierConfig;
  readonly drawings: readonly LabelledDrawing[];
  readonly settings: StageSettings;
  readonly seed: number;
  /** Share of the examples with mixed colours or in grey; 0 where colour tells classes apart. */
  readonly recolour: number;
}

/** Trains, or resumes from what a run left in the options' folder. @returns parameters by name */
export async function trainClassifier(
  training: ClassifierTraining,
  options: StageOptions,
): Promise<Map<string, Float32Array>> {
  const { config, settings, seed, drawings } = training;
  const pictures = op.input('pictures', [settings.batch, 3, SIDE, SIDE]);
  const asked = op.input('asked', [settings.batch, config.classes.length]);
  const stage: Stage = {
    name: training.name,
    settings,
    loss: (p: Parameters) => crossEntropy(classifierNetwork(config, p, pictures).logits, asked),
    initial: async (layout) => initialise(layout, seed, true),
    async batch(step) {
      const images = new Float32Array(settings.batch * 3 * SIDE * SIDE);
      const labels = new Float32Array(settings.batch * config.classes.length);
      for (let row = 0; row < settings.batch; row++) {
        const label = sampleDrawing(training, step * settings.batch + row, images, row * 3 * SIDE * SIDE);
        // Smoothed, because a few drawings of a concept prove little about it.
        const base = row * config.classes.length;
        labels.fill(SMOOTHING / config.classes.length, base, base + config.classes.length);
        labels[base + label]! += 1 - SMOOTHING;
      }
      return { pictures: images, asked: labels };
    },
  };
  if (drawings.length === 0) throw new RangeError('a classifier needs drawings');
  return runStage(stage, options);
}

const SMOOTHING = 0.1;

/** Mean of -Σ target · log softmax(logits). */
export function crossEntropy(logits: Tensor, asked: Tensor): Tensor {
  // Kept above 0, where the logarithm is undefined.
  const log = op.log(op.add(op.softmax(logits), 1e-12));
  return op.reshape(op.neg(op.mean(op.sum(op.mul(asked, log), [1]))), []);
}

/** Writes example `index` to `into` at `offset`. @returns its label */
export function sampleDrawing(
  { drawings, seed, recolour }: Pick<ClassifierTraining, 'drawings' | 'seed' | 'recolour'>,
  index: number,
  into: Float32Array,
  offset: number,
): number {
  const random = new ExampleRandom(seed, index);
  const { sprite, label } = random.pick(drawings);
  const rgb = [0, 1, 2].map(() => random.between(0, 256)) as [number, number, number];
  const side = random.between(0.6, 1) * SIDE;
  const room = (SIDE - side) / 2 + 0.03 * SIDE;
  const angle = random.chance(0.3) ? (random.between(-12, 12) * Math.PI) / 180 : 0;
  const [x, y] = [random.between(-room, room) + SIDE / 2, random.between(-room, room) + SIDE / 2];
  const placed = { sprite, x, y, side, angle, mirror: random.chance(0.4) };
  composite(into, offset, { left: 0, top: 0, width: SIDE, height: SIDE }, rgb, [placed]);
  const image = into.subarray(offset, offset + 3 * SIDE * SIDE);
  if (random.chance(recolour)) mixColours(image, random);
  for (let passes = Math.floor(random.between(0, 4)); passes > 0; passes--) soften(image);
  const [gain, grain] = [random.between(0.85, 1.15), random.between(0, 0.06)];
  for (let i = 0; i < image.length; i++) image[i] = image[i]! * gain + grain * random.between(-1, 1);
  return label;
}

/** Exchanges or mixes the channels, as other hands give the same thing other colours. */
function mixColours(image: Float32Array, random: ExampleRandom): void {
  const area = image.length / 3;
  const rows = [0, 1, 2].map((own) => {
    const weights = [0, 1, 2].map((channel) => (channel === own ? 0.6 : 0.2) * random.unit());
    const sum = weights.reduce((a, b) => a + b, 0);
    return weights.map((weight) => weight / sum);
  });
  for (let i = 0; i < area; i++) {
    const [r, g, b] = [image[i]!, image[area + i]!, image[2 * area + i]!];
    rows.forEach(([wr, wg, wb], c) => (image[c * area + i] = wr! * r + wg! * g + wb! * b));
  }
}

/** Once by the binomial ¼ ½ ¼ along both axes; edges repeat. */
function soften(image: Float32Array): void {
  const line = new Float32Array(SIDE);
  const along = (start: number, step: number): void => {
    for (let i = 0; i < SIDE; i++) line[i] = image[start + i * step]!;
    for (let i = 0; i < SIDE; i++) {
      const [before, after] = [line[Math.max(0, i - 1)]!, line[Math.min(SIDE - 1, i + 1)]!];
      image[start + i * step] = (before + 2 * line[i]! + after) / 4;
    }
  };
  for (let row = 0; row < 3 * SIDE; row++) along(row * SIDE, 1);
  for (let c = 0; c < 3; c++) for (let x = 0; x < SIDE; x++) along(c * SIDE * SIDE + x, SIDE);
}

/** Whether a drawing is kept for measuring: about one in four, decided by its name. */
export const keptForMeasuring = (name: string): boolean => hashName(`measure ${name}`) % 4 === 0;

/** The untrained parameters, for tests of the graph. */
export function startingParameters(config: ClassifierConfig, seed: number): Map<string, Float32Array> {
  const layout = new FlatLayout(classifierParameters(config));
  return namedSlices(layout, initialise(layout, seed, false));
}
