/**
 * @file Features for comparing pictures, from networks that know neither the subjects nor the judged model. Each
 * dimension is standardised over real pictures, so that a few large ones don't decide the cosine.
 */
import { at } from '../../core/at.ts';
import { toBytes } from '../../core/pictures/rgb-bytes.ts';
import { prepareArt, sampleExample, type TrainingArt } from '../pretrain/sampler.ts';
import type { SpriteSheet } from '../pretrain/sprites.ts';
import type { PretrainData } from '../pretrain/concepts.ts';
import type { MobileNet } from '../../gpu-worker/safety/mobilenet.ts';
import { classifierView, type Classifier } from './classifier.ts';
import { cosine, mean } from './statistics.ts';

export interface FeatureExtractor {
  readonly name: string;
  /** @param picture [3, side, side] in [-1, 1]; the result has a fixed length */
  features(picture: Float32Array, side: number): Promise<Float32Array>;
}

/** The classifier's features before its linear layer. */
export function classifierFeatures(classifier: Classifier): FeatureExtractor {
  return {
    name: 'classifier',
    features: async (picture, side) => (await classifier.classify(classifierView(picture, side))).features,
  };
}

/** Inner features of MobileNetV2, trained on photographs and drawings of other things. */
export function mobileNetFeatures(network: MobileNet): FeatureExtractor {
  return {
    name: 'mobilenet',
    async features(picture, side) {
      const [row] = await network.features([{ width: side, height: side, pixels: toBytes(picture) }]);
      return row!;
    },
  };
}

/** Mean and standard deviation of each dimension. */
export interface FeatureScale {
  readonly means: readonly number[];
  readonly deviations: readonly number[];
}

/** By extractor name. */
export type FeatureScales = Readonly<Record<string, FeatureScale>>;

/** Training pictures that the scales are measured on. */
const SCALED_ON = 256;

export async function measureScales(
  extractors: readonly FeatureExtractor[],
  data: PretrainData,
  sheet: SpriteSheet,
  pictures = SCALED_ON,
): Promise<FeatureScales> {
  const art: TrainingArt = prepareArt(data, sheet.sprites);
  const scales: Record<string, FeatureScale> = {};
  for (const extractor of extractors) {
    const rows: Float32Array[] = [];
    for (let index = 0; index < pictures; index++)
      rows.push(await extractor.features(sampleExample(art, 7, index).image, data.size));
    scales[extractor.name] = scaleOf(rows);
  }
  return scales;
}

/** @param rows one per picture */
export function scaleOf(rows: readonly Float32Array[]): FeatureScale {
  const means = Array.from(at(rows, 0), (_, i) => mean(rows.map((row) => row[i]!)));
  const deviations = means.map((middle, i) => Math.sqrt(mean(rows.map((row) => (row[i]! - middle) ** 2))));
  return { means, deviations };
}

/** Cosine of two pictures' standardised features: 1 for equal ones, around 0 for unrelated ones. */
export function similarity(a: Float32Array, b: Float32Array, { means, deviations }: FeatureScale): number {
  // A constant dimension carries no information.
  const scaled = (row: Float32Array): Float32Array =>
    row.map((value, i) => (at(deviations, i) > 1e-6 ? (value - at(means, i)) / at(deviations, i) : 0));
  return cosine(scaled(a), scaled(b));
}
