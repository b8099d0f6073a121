/**
 * @file The networks that score a checkpoint's pictures. Fidelity is DINO's, or CLIP's where there is no DINO, and alignment
 * CLIP's; MobileNetV2, which comes with the program, takes the place of those that are not there.
 *
 * With DINO or CLIP, fidelity is the mean cosine of pictures and photos (DreamBooth, arXiv 2208.12242 §4.2), moved so that 0 is
 * what the model's own pictures of the class have, and 1 what the photos have with each other. With CLIP, alignment is the mean
 * cosine of a picture and its prompt, in parts of what the model's own picture has, at most 1.
 */
import { at } from '../../core/at.ts';
import type { ScoreFolders } from '../../core/environment.ts';
import type { RgbPicture } from '../../core/pictures/cut-out.ts';
import type { CheckpointScore } from '../../core/records.ts';
import { cosine } from '../models/feature-scale.ts';
import { openClip, openDino, type Clip, type VisionTower } from '../models/vision/open-tower.ts';
import { openMobileNet, type MobileNet } from '../safety/mobilenet.ts';
import { referencesOf, scoreFrom, scoreOf, type BuiltInReferences } from './built-in-score.ts';

type Vectors = readonly Float32Array[];

/** What pictures are compared with: the same for every checkpoint of a run. null: another network is asked. */
export interface ScoreReferences {
  readonly builtIn: BuiltInReferences | null;
  /** Of the photos, with the mean cosines of the model's own pictures and of the photos with each other. */
  readonly likeness: { readonly photos: Vectors; readonly own: number; readonly best: number } | null;
  /** Of the prompts, each with its cosine to the model's own picture. */
  readonly prompts: readonly { readonly text: Float32Array; readonly own: number }[] | null;
}

interface Networks {
  readonly mobileNet: MobileNet | null;
  readonly clip: Clip | null;
  readonly dino: VisionTower | null;
}

export class ScoreNetworks {
  readonly #networks: Networks;

  private constructor(networks: Networks) {
    this.#networks = networks;
  }

  /** @throws KronaError as openClip and openDino; SAFETY_MODEL_MISSING */
  static async open({ clip, dino }: ScoreFolders): Promise<ScoreNetworks> {
    const opened: Networks = {
      mobileNet: clip === undefined ? await openMobileNet() : null,
      clip: clip === undefined ? null : await openClip(clip),
      dino: null,
    };
    try {
      return new ScoreNetworks({ ...opened, dino: dino === undefined ? null : await openDino(dino) });
    } catch (error) {
      await new ScoreNetworks(opened).release();
      throw error;
    }
  }

  /** The network of fidelity, unless it is MobileNet. */
  get #tower(): VisionTower | null {
    return this.#networks.dino ?? this.#networks.clip;
  }

  /** @param own the model's own pictures, one a prompt @param prompts with the class word for the subject */
  async references(
    photos: readonly RgbPicture[],
    own: readonly RgbPicture[],
    prompts: readonly string[],
  ): Promise<ScoreReferences> {
    const { mobileNet, clip } = this.#networks;
    const tower = this.#tower;
    return {
      builtIn: mobileNet && referencesOf(await mobileNet.features(photos), await mobileNet.features(own)),
      likeness: tower && likenessOf(await embedded(tower, photos), await embedded(tower, own)),
      prompts: clip && (await promptsOf(clip, prompts, await embedded(clip, own))),
    };
  }

  /** @param drawn a picture of each prompt, in their order */
  async score(
    drawn: readonly RgbPicture[],
    { builtIn, likeness, prompts }: ScoreReferences,
  ): Promise<Omit<CheckpointScore, 'step'>> {
    const { mobileNet, clip } = this.#networks;
    const tower = this.#tower;
    const known = mobileNet && builtIn ? scoreOf(await mobileNet.features(drawn), builtIn) : null;
    const fidelity = tower && likeness ? fidelityOf(await embedded(tower, drawn), likeness) : null;
    const alignment = clip && prompts ? alignmentOf(await embedded(clip, drawn), prompts) : null;
    return scoreFrom({
      fidelity: fidelity ?? known?.fidelity ?? 0,
      alignment: alignment ?? known?.alignment ?? 0,
    });
  }

  async release(): Promise<void> {
    const { mobileNet, clip, dino } = this.#networks;
    await mobileNet?.release();
    await clip?.release();
    await dino?.release();
  }
}

async function embedded(tower: VisionTower, pictures: readonly RgbPicture[]): Promise<Float32Array[]> {
  const vectors: Float32Array[] = [];
  for (const picture of pictures) vectors.push(await tower.embed(picture));
  return vectors;
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);

const meanCosine = (some: Vectors, others: Vectors): number =>
  mean(some.flatMap((one) => others.map((other) => cosine(one, other))));

const share = (value: number): number => Math.min(1, Math.max(0, value));

/** @param own of the model's own pictures */
export function likenessOf(photos: Vectors, own: Vectors): NonNullable<ScoreReferences['likeness']> {
  const pairs = photos.flatMap((one, n) => photos.slice(n + 1).map((other) => cosine(one, other)));
  return { photos, own: meanCosine(own, photos), best: pairs.length === 0 ? 1 : mean(pairs) };
}

export function fidelityOf(
  drawn: Vectors,
  { photos, own, best }: NonNullable<ScoreReferences['likeness']>,
): number {
  const like = meanCosine(drawn, photos);
  // Photos that differ more than the class does set no mark above it.
  return best > own ? share((like - own) / (best - own)) : share(like);
}

async function promptsOf(clip: Clip, prompts: readonly string[], own: Vectors) {
  const known = [];
  for (const [n, prompt] of prompts.entries()) {
    const text = await clip.embedText(prompt);
    known.push({ text, own: cosine(at(own, n), text) });
  }
  return known;
}

export function alignmentOf(drawn: Vectors, prompts: NonNullable<ScoreReferences['prompts']>): number {
  return mean(prompts.map(({ text, own }, n) => (own > 0 ? share(cosine(at(drawn, n), text) / own) : 0)));
}
