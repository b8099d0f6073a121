/**
 * @file Scores a checkpoint by its pictures of fixed prompts, all from one seed. The features are MobileNetV2's, which come
 * with the program. docs/training.md says how well the score agrees with the judges of `krona evaluate methods`.
 *
 * Fidelity is the mean cosine of the pictures and the photos, both seen from the middle of the model's own pictures of the
 * class: 0 is no nearer to the subject than these, 1 is the subject. Alignment asks whether the pictures change with the prompt as
 * the model's own pictures of the class do: of each picture's features the mean over all prompts is subtracted, which takes
 * out what they share (the subject), and the rest is compared by cosine with the same of the model's own picture.
 */
import { at } from '../../core/at.ts';
import { KronaError } from '../../core/errors.ts';
import { toBytes } from '../../core/pictures/rgb-bytes.ts';
import type { CheckpointScore } from '../../core/records.ts';
import { SMALL_MODEL } from '../../core/settings/model-card.ts';
import type { AppliedAdapter } from '../adapters/adapter-inputs.ts';
import { modelCard } from '../adapters/model-card.ts';
import { cosine, scaleOf, similarity, type FeatureScale } from '../models/feature-scale.ts';
import type { ModelFolder } from '../models/model-folder.ts';
import { openMobileNet, type MobileNet } from '../safety/mobilenet.ts';
import { imagineDefaults } from '../sampling/imagine-defaults.ts';
import { TextToImage, type DrawnPicture } from '../sampling/text-to-image.ts';
import { judgingPhotos } from './held-out-photos.ts';
import { loadPhoto } from './photos.ts';
import type { TrainHooks } from './train-hooks.ts';
import type { TrainOptions } from './train-options.ts';

/** `{subject}` stands for token and class, or the class alone. Small models know drawings, not scenes. */
const PROMPTS = {
  small: [
    'a {subject} on a red background',
    'a {subject} on a blue background',
    'a flat {subject} on a green background',
    'a 3d {subject} on a yellow background',
    'a {subject} next to an apple on a pink background',
    'a {subject} next to a star on a white background',
  ],
  large: [
    'a photo of a {subject} in the snow',
    'a photo of a {subject} on a beach at sunset',
    'a photo of a {subject} in front of a brick wall',
    'a watercolour painting of a {subject}',
    'a pencil sketch of a {subject}',
    'a photo of a {subject} next to a bicycle',
  ],
} as const;

/** Of every picture of every run, so that scores differ by the training alone. */
const SEED = 0;

/** What pictures are compared with: the same for every checkpoint of a run. */
interface References {
  /** Features of the photos, and of the model's own pictures by prompt. */
  readonly photos: readonly Float32Array[];
  readonly own: readonly Float32Array[];
  /** Means of the model's own pictures; deviations of all. */
  readonly scale: FeatureScale;
}

/** @param photos their features @param own those of the model's own pictures, by prompt */
export function referencesOf(photos: readonly Float32Array[], own: readonly Float32Array[]): References {
  const { deviations } = scaleOf([...photos, ...own]);
  return { photos, own, scale: { means: scaleOf(own).means, deviations } };
}

type Scored = Pick<TrainOptions, 'photos' | 'subjectToken' | 'subjectClass' | 'resolution'>;
type Hooks = Pick<TrainHooks, 'turn' | 'signal'>;

export class CheckpointScorer {
  readonly #model: ModelFolder;
  readonly #options: Scored;
  readonly #hooks: Hooks;
  #references: References | undefined;

  /** Opens and draws nothing before the first score. */
  constructor(model: ModelFolder, options: Scored, { turn, signal }: Hooks) {
    this.#model = model;
    this.#options = options;
    this.#hooks = { ...(turn && { turn }), ...(signal && { signal }) };
  }

  /**
   * Scores an adapter's file: 0 if its pictures are not finite.
   *
   * @throws KronaError as TextToImage, PHOTO_*, SAFETY_MODEL_MISSING; the signal's reason when it aborts
   */
  async score(step: number, path: string): Promise<CheckpointScore> {
    // Released after each, as the training needs the memory.
    const painter = await TextToImage.open(this.#model);
    const network = await openMobileNet();
    try {
      const references = (this.#references ??= await this.#prepare(painter, network));
      const drawn = await this.#draw(painter, await painter.readAdapter(path));
      return { step, ...scoreOf(await network.features(drawn), references) };
    } catch (error) {
      if (!(error instanceof KronaError && error.code === 'RESULT_NOT_FINITE')) throw error;
      return { step, fidelity: 0, alignment: 0, score: 0 };
    } finally {
      await painter.release();
      await network.release();
    }
  }

  async #prepare(painter: TextToImage, network: MobileNet): Promise<References> {
    const { resolution } = this.#options;
    const photos: DrawnPicture[] = [];
    for (const path of judgingPhotos(this.#options)) {
      const { width, height, pixels } = await loadPhoto(path, resolution, resolution);
      photos.push({ width, height, pixels: toBytes(pixels) });
    }
    const ofPhotos = await network.features(photos);
    const own = await network.features(await this.#draw(painter, null));
    return referencesOf(ofPhotos, own);
  }

  /** A picture of each prompt. @param adapter null: the model alone, of the class */
  async #draw(painter: TextToImage, adapter: AppliedAdapter | null): Promise<DrawnPicture[]> {
    const { subjectToken, subjectClass } = this.#options;
    const card = modelCard(this.#model);
    const subject = adapter ? `${subjectToken} ${subjectClass}` : subjectClass || subjectToken;
    const pictures: DrawnPicture[] = [];
    for (const prompt of card.nativeSize > SMALL_MODEL ? PROMPTS.large : PROMPTS.small) {
      const request = {
        ...imagineDefaults(card),
        prompt: prompt.replace('{subject}', subject.trim()),
        negative: null,
        adapter,
        scheduler: null,
        seed: SEED,
        count: 1,
        noise: 'krona' as const,
      };
      pictures.push(...(await painter.draw(request, this.#hooks)));
    }
    return pictures;
  }
}

/** @param drawn features of a picture of each prompt */
export function scoreOf(
  drawn: readonly Float32Array[],
  { photos, own, scale }: References,
): Omit<CheckpointScore, 'step'> {
  const fidelity = share(
    drawn.flatMap((picture) => photos.map((photo) => similarity(picture, photo, scale))),
  );
  const [changes, ownChanges] = [changesOf(drawn, scale), changesOf(own, scale)];
  const alignment = share(changes.map((change, n) => cosine(change, at(ownChanges, n))));
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
