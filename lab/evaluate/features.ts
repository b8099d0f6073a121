/**
 * @file Features for comparing pictures, from networks that know neither the subjects nor the judged model,
 * standardised over real pictures.
 */
import { toBytes } from '../../core/pictures/rgb-bytes.ts';
import { prepareArt, sampleExample, type TrainingArt } from '../pretrain/sampler.ts';
import type { SpriteSheet } from '../pretrain/sprites.ts';
import type { PretrainData } from '../pretrain/concepts.ts';
import { scaleOf, type FeatureScale } from '../../gpu-worker/models/feature-scale.ts';
import type { MobileNet } from '../../gpu-worker/safety/mobilenet.ts';
import { classifierView, type Classifier } from './classifier.ts';

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
