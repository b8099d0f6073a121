/**
 * @file The built-in score of pictures, from MobileNetV2's features, which come with the program. docs/training.md says how well
 * it agrees with the judges of `krona evaluate methods`.
 *
 * Fidelity is the mean cosine of the pictures and the photos, both seen from the middle of the model's own pictures of the
 * class: 0 is no nearer to the subject than these, 1 is the subject. Alignment asks whether the pictures change with the prompt as
 * the model's own pictures of the class do: of each picture's features the mean over all prompts is subtracted, which takes
 * out what they share (the subject), and the rest is compared by cosine with the same of the model's own picture.
 */
import { at } from '../../core/at.ts';
import type { CheckpointScore } from '../../core/records.ts';
import { cosine, scaleOf, similarity, type FeatureScale } from '../models/feature-scale.ts';

/** What pictures are compared with: the same for every checkpoint of a run. */
export interface BuiltInReferences {
  /** Features of the photos, and of the model's own pictures by prompt. */
  readonly photos: readonly Float32Array[];
  readonly own: readonly Float32Array[];
  /** Means of the model's own pictures; deviations of all. */
  readonly scale: FeatureScale;
}

/** @param photos their features @param own those of the model's own pictures, by prompt */
export function referencesOf(
  photos: readonly Float32Array[],
  own: readonly Float32Array[],
): BuiltInReferences {
  const { deviations } = scaleOf([...photos, ...own]);
  return { photos, own, scale: { means: scaleOf(own).means, deviations } };
}

/** @param drawn features of a picture of each prompt */
export function scoreOf(
  drawn: readonly Float32Array[],
  { photos, own, scale }: BuiltInReferences,
): Omit<CheckpointScore, 'step'> {
  const fidelity = share(
    drawn.flatMap((picture) => photos.map((photo) => similarity(picture, photo, scale))),
  );
  const [changes, ownChanges] = [changesOf(drawn, scale), changesOf(own, scale)];
  const alignment = share(changes.map((change, n) => cosine(change, at(ownChanges, n))));
  return scoreFrom({ fidelity, alignment });
}

/** Both shares with their harmonic mean. */
export function scoreFrom({
  fidelity,
  alignment,
}: Pick<CheckpointScore, 'fidelity' | 'alignment'>): Omit<CheckpointScore, 'step'> {
  const sum = fidelity + alignment;
  return { fidelity, alignment, score: sum > 0 ? (2 * fidelity * alignment) / sum : 0 };
}

/** Each picture's features without those that all share, in deviations. */
function changesOf(rows: readonly Float32Array[], { deviations }: FeatureScale): Float32Array[] {
  const { means } = scaleOf(rows);
  return rows.map((row) =>
    row.map((value, i) => (at(deviations, i) > 1e-6 ? (value - at(means, i)) / at(deviations, i) : 0)),
  );
}

/** Mean of cosines, with 0 for pictures that have nothing in common. */
const share = (cosines: readonly number[]): number =>
  Math.max(0, cosines.reduce((sum, value) => sum + value, 0) / cosines.length);
