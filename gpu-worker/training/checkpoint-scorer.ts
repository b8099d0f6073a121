/**
 * @file Scores a checkpoint by its pictures of fixed prompts, all from one seed: with CLIP and DINO where their folders are
 * configured, else with the network that comes with the program (score-networks.ts).
 */
import { KronaError } from '../../core/errors.ts';
import { scoreFolders } from '../../core/environment.ts';
import { toBytes } from '../../core/pictures/rgb-bytes.ts';
import type { CheckpointScore } from '../../core/records.ts';
import { SMALL_MODEL } from '../../core/settings/model-card.ts';
import type { AppliedAdapter } from '../adapters/adapter-inputs.ts';
import { modelCard } from '../adapters/model-card.ts';
import type { ModelFolder } from '../models/model-folder.ts';
import { imagineDefaults } from '../sampling/imagine-defaults.ts';
import { TextToImage, type DrawnPicture } from '../sampling/text-to-image.ts';
import { judgingPhotos } from './held-out-photos.ts';
import { loadPhoto } from './photos.ts';
import { ScoreNetworks, type ScoreReferences } from './score-networks.ts';
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

type Scored = Pick<TrainOptions, 'photos' | 'subjectToken' | 'subjectClass' | 'resolution'>;
type Hooks = Pick<TrainHooks, 'turn' | 'signal'>;

export class CheckpointScorer {
  readonly #model: ModelFolder;
  readonly #options: Scored;
  readonly #hooks: Hooks;
  #references: ScoreReferences | undefined;

  /** Opens and draws nothing before the first score. */
  constructor(model: ModelFolder, options: Scored, { turn, signal }: Hooks) {
    this.#model = model;
    this.#options = options;
    this.#hooks = { ...(turn && { turn }), ...(signal && { signal }) };
  }

  /**
   * Scores an adapter's file: 0 if its pictures are not finite.
   *
   * @throws KronaError as TextToImage, ScoreNetworks.open, PHOTO_*; the signal's reason when it aborts
   */
  async score(step: number, path: string): Promise<CheckpointScore> {
    // Released after each, as the training needs the memory.
    const painter = await TextToImage.open(this.#model);
    let networks: ScoreNetworks | null = null;
    try {
      networks = await ScoreNetworks.open(scoreFolders());
      const references = (this.#references ??= await this.#prepare(painter, networks));
      const drawn = await this.#draw(painter, await painter.readAdapter(path));
      return { step, ...(await networks.score(drawn, references)) };
    } catch (error) {
      if (!(error instanceof KronaError && error.code === 'RESULT_NOT_FINITE')) throw error;
      return { step, fidelity: 0, alignment: 0, score: 0 };
    } finally {
      await painter.release();
      await networks?.release();
    }
  }

  async #prepare(painter: TextToImage, networks: ScoreNetworks): Promise<ScoreReferences> {
    const { resolution } = this.#options;
    const photos: DrawnPicture[] = [];
    for (const path of judgingPhotos(this.#options)) {
      const { width, height, pixels } = await loadPhoto(path, resolution, resolution);
      photos.push({ width, height, pixels: toBytes(pixels) });
    }
    return networks.references(photos, await this.#draw(painter, null), this.#prompts(false));
  }

  /** @param trained with the token, which means nothing without an adapter */
  #prompts(trained: boolean): string[] {
    const { subjectToken, subjectClass } = this.#options;
    const { nativeSize } = modelCard(this.#model);
    const subject = trained ? `${subjectToken} ${subjectClass}` : subjectClass || subjectToken;
    const prompts = nativeSize > SMALL_MODEL ? PROMPTS.large : PROMPTS.small;
    return prompts.map((prompt) => prompt.replace('{subject}', subject.trim()));
  }

  /** A picture of each prompt. @param adapter null: the model alone, of the class */
  async #draw(painter: TextToImage, adapter: AppliedAdapter | null): Promise<DrawnPicture[]> {
    const pictures: DrawnPicture[] = [];
    for (const prompt of this.#prompts(adapter !== null)) {
      const request = {
        ...imagineDefaults(modelCard(this.#model)),
        prompt,
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
