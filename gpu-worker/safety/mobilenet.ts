/**
 * @file nsfwjs' MobileNetV2 on our own runtime: classifies pictures, and gives features by which pictures of one subject
 * are close to each other. Source of weights and preparation: npm `nsfwjs`, of github.com/gantman/nsfw_model.
 */
import { at } from '../../core/at.ts';
import { onFirstUse } from '../../core/on-first-use.ts';
import { compileFunction } from '../graph/compile.ts';
import { Session } from '../graph/runtime.ts';
import { mobileNetV2 } from '../models/mobilenet.ts';
import { givenParameters } from '../models/parameters.ts';
import { readNsfwWeights } from './nsfw-weights.ts';

/** In the order of the network's outputs. */
export const CLASSES = ['drawing', 'hentai', 'neutral', 'porn', 'sexy'] as const;

/** Probability of each class; they sum to 1. */
export type ClassScores = Readonly<Record<(typeof CLASSES)[number], number>>;

/** RGB, 8 bits, rows from the top; of any size. */
export interface RgbPicture {
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint8Array;
}

export interface MobileNet {
  classify(pictures: readonly RgbPicture[]): Promise<ClassScores[]>;
  /**
   * 576 numbers, at least 0, for each picture: the mean of each channel of `block_13_expand_relu`. Compare them by
   * cosine after standardising each number over the pictures compared.
   */
  features(pictures: readonly RgbPicture[]): Promise<Float32Array[]>;
  release(): Promise<void>;
}

/** Side of the network's pictures, pixels. */
const SIDE = 224;

/** Reads the weights and compiles: most of the time to open it, so a process does it once. 10 MB. */
const program = onFirstUse(async () => {
  const parameters = givenParameters(await readNsfwWeights());
  return compileFunction({ pictures: [1, 3, SIDE, SIDE] }, ({ pictures }) => ({
    ...mobileNetV2(parameters, pictures, CLASSES.length),
  }));
});

/** Takes about half a second at first. @throws KronaError SAFETY_MODEL_MISSING */
export async function openMobileNet(): Promise<MobileNet> {
  const session = await Session.create(await program());
  const run = (picture: RgbPicture) => session.run({ pictures: prepared(picture) });
  return {
    async classify(list) {
      const scores: ClassScores[] = [];
      for (const picture of list) {
        const [drawing = 0, hentai = 0, neutral = 0, porn = 0, sexy = 0] = (await run(picture)).probabilities;
        scores.push({ drawing, hentai, neutral, porn, sexy });
      }
      return scores;
    },
    async features(list) {
      const found: Float32Array[] = [];
      for (const picture of list) found.push((await run(picture)).features);
      return found;
    },
    release: () => session.release(),
  };
}

/** [3,224,224] in [0, 1]: bilinear with corners on corners, as nsfwjs (tf.image.resizeBilinear, alignCorners). */
function prepared({ width, height, pixels }: RgbPicture): Float32Array {
  const result = new Float32Array(3 * SIDE * SIDE);
  // Divided last, so that the last pixel is hit exactly.
  const place = (i: number, side: number): number => (i * (side - 1)) / (SIDE - 1);
  for (let row = 0; row < SIDE; row++) {
    const y = place(row, height);
    const above = 3 * width * Math.floor(y);
    const below = 3 * width * Math.ceil(y);
    for (let column = 0; column < SIDE; column++) {
      const x = place(column, width);
      const left = 3 * Math.floor(x);
      const right = 3 * Math.ceil(x);
      for (let c = 0; c < 3; c++) {
        const top = mix(at(pixels, above + left + c), at(pixels, above + right + c), x % 1);
        const bottom = mix(at(pixels, below + left + c), at(pixels, below + right + c), x % 1);
        result[(c * SIDE + row) * SIDE + column] = mix(top, bottom, y % 1) / 255;
      }
    }
  }
  return result;
}

const mix = (a: number, b: number, share: number): number => a + (b - a) * share;
