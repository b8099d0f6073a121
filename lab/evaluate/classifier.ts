/**
 * @file A small residual network that names what a picture shows: its architecture, its file format and a classifier
 * that runs it. Two of them judge pictures: one names concepts, trained on drawings that the judged model never saw;
 * the other names styles.
 */
import { at } from '../../core/at.ts';
import { compile } from '../../gpu-worker/graph/compile.ts';
import * as op from '../../gpu-worker/graph/ops.ts';
import { Session } from '../../gpu-worker/graph/runtime.ts';
import type { Tensor } from '../../gpu-worker/graph/tensor.ts';
import { conv, groupNorm, linear, resnet } from '../../gpu-worker/models/layers.ts';
import { frozenParameters, parametersOf, type Parameters } from '../../gpu-worker/models/parameters.ts';
import { openSafetensors, writeSafetensors } from '../../gpu-worker/models/safetensors.ts';
import { KronaError } from '../../core/errors.ts';

/** Side of its input pictures, pixels. */
export const CLASSIFIER_SIDE = 64;

export interface ClassifierConfig {
  /** Channels of the first convolution, then of each level. */
  readonly widths: readonly [number, number, number, number];
  /** Class names, in the order of the outputs. */
  readonly classes: readonly string[];
}

const GROUPS = 8;
const EPS = 1e-5;

/**
 * Pictures [B,3,64,64] in [-1,1] to features [B,last width] and logits [B,classes]: stride-2 convolutions, a residual
 * block (norm, SiLU, conv, twice) at 16×16, 8×8 and 4×4, global average pooling, one linear layer.
 */
export function classifierNetwork(
  { widths, classes }: ClassifierConfig,
  p: Parameters,
  pictures: Tensor,
): { features: Tensor; logits: Tensor } {
  const [first, ...levels] = widths;
  let x = conv(p, 'conv_in', pictures, first, { stride: 2 });
  levels.forEach((width, level) => {
    x = conv(p, `down.${level}`, op.silu(groupNorm(p, `norm.${level}`, x, GROUPS, EPS)), width, {
      stride: 2,
    });
    x = resnet(p, `block.${level}`, x, width, { groups: GROUPS, eps: EPS });
  });
  x = op.silu(groupNorm(p, 'norm_out', x, GROUPS, EPS));
  const features = op.reshape(op.mean(x, [2, 3]), [at(x.shape, 0), at(x.shape, 1)]);
  return { features, logits: linear(p, 'head', features, classes.length) };
}

/** Names and shapes of a classifier's parameters, in the order of the forward pass. */
export const classifierParameters = (config: ClassifierConfig) =>
  parametersOf((p) => classifierNetwork(config, p, pictureInput(1)));

const pictureInput = (batch: number): Tensor =>
  op.input('pictures', [batch, 3, CLASSIFIER_SIDE, CLASSIFIER_SIDE]);

/** Accuracies on the held-out drawings, measured when it was made. */
export type Accuracies = Readonly<Record<string, number>>;

/** One file: weights in half precision; metadata has classes, widths and accuracies. */
export async function saveClassifier(
  path: string,
  config: ClassifierConfig,
  parameters: ReadonlyMap<string, Float32Array>,
  facts: { readonly accuracies: Accuracies; readonly sources: readonly string[] },
): Promise<void> {
  const tensors = classifierParameters(config).map(
    ({ name, shape }) => [name, { dtype: 'F16', shape, data: parameters.get(name)! }] as const,
  );
  const metadata = { ...config, ...facts };
  await writeSafetensors(
    path,
    new Map(tensors),
    new Map(Object.entries(metadata).map(([key, value]) => [key, JSON.stringify(value)])),
  );
}

/** The classifier's output for one picture. */
export type Classified = {
  /** [last width] */
  readonly features: Float32Array;
  /** One per class, before softmax. */
  readonly logits: Float32Array;
};

export class Classifier {
  readonly classes: readonly string[];
  readonly accuracies: Accuracies;
  readonly #session: Session<Classified>;

  private constructor(classes: readonly string[], accuracies: Accuracies, session: Session<Classified>) {
    this.classes = classes;
    this.accuracies = accuracies;
    this.#session = session;
  }

  /** @throws KronaError FILE_NOT_FOUND, SAFETENSORS_*, MODEL_TENSOR_*, CLASSIFIER_INVALID */
  static async open(path: string): Promise<Classifier> {
    const file = await openSafetensors(path);
    const fact = <T>(key: string): T => {
      const text = file.metadata.get(key);
      if (text === undefined)
        throw new KronaError(
          'CLASSIFIER_INVALID',
          `${file.name} isn't a classifier: its metadata lacks ${key}. Train one with \`krona evaluate classifier\`.`,
        );
      return JSON.parse(text) as T;
    };
    const config: ClassifierConfig = { widths: fact('widths'), classes: fact('classes') };
    const network = classifierNetwork(config, frozenParameters('classifier', file.tensors), pictureInput(1));
    const session = await Session.create(compile({ ...network }));
    return new Classifier(config.classes, fact<Accuracies>('accuracies'), session);
  }

  /** @param picture [3,64,64] in [-1,1] */
  async classify(picture: Float32Array): Promise<Classified> {
    return this.#session.run({ pictures: picture });
  }

  async release(): Promise<void> {
    await this.#session.release();
  }
}

/** Returns the indices `among` the classes, likeliest first. */
export function ranked(logits: Float32Array, among: readonly number[]): number[] {
  return [...among].sort((a, b) => logits[b]! - logits[a]!);
}

/**
 * Crops the square of side `part` at (left, top) from a square picture [3,side,side] and averages it down to 64×64, so
 * `part` must be a multiple of 64.
 */
export function classifierView(
  picture: Float32Array,
  side: number,
  { left, top, part }: { left: number; top: number; part: number } = { left: 0, top: 0, part: side },
): Float32Array {
  const block = part / CLASSIFIER_SIDE;
  const area = CLASSIFIER_SIDE * CLASSIFIER_SIDE;
  const view = new Float32Array(3 * area);
  for (let c = 0; c < 3; c++) {
    for (let y = 0; y < part; y++) {
      const row = (c * side + top + y) * side + left;
      const to = c * area + Math.floor(y / block) * CLASSIFIER_SIDE;
      for (let x = 0; x < part; x++) view[to + Math.floor(x / block)]! += picture[row + x]! / (block * block);
    }
  }
  return view;
}
