/**
 * @file Scores of an adapter's pictures, as DreamBooth defines them (arXiv 2208.12242 §4.2): CLIP-I and DINO are the mean
 * cosine between pictures and photos, CLIP-T between pictures and their prompt.
 */
import type { ScoreFolders } from '../../core/environment.ts';
import type { RgbPicture } from '../../core/pictures/cut-out.ts';
import { openClip, openDino } from '../../gpu-worker/models/vision/open-tower.ts';
import { openMobileNet } from '../../gpu-worker/safety/mobilenet.ts';
import { cosine } from '../../gpu-worker/models/feature-scale.ts';
import { bootstrap, mean, type Interval } from './statistics.ts';

/** `MobileNet` is the built-in network's, for where no folder is given. */
export type Metric = 'CLIP-I' | 'DINO' | 'CLIP-T' | 'MobileNet';
export type Scores = Partial<Record<Metric, number>>;

interface Network {
  readonly metric: Metric;
  /** The folder's name. */
  readonly name: string;
  embed(picture: RgbPicture): Promise<Float32Array>;
  /** Null: the network reads no texts. */
  readonly embedText: ((text: string) => Promise<Float32Array>) | null;
  release(): Promise<void>;
}

export interface ScoreTable {
  /** By metric, the mean over prompts with its interval: prompts are resampled. */
  readonly adapter: Partial<Record<Metric, Interval>>;
  /** Photos with each other: near what a perfect adapter could reach. Empty for a single photo. */
  readonly photos: Scores;
}

export class AdapterScorer {
  readonly #networks: readonly Network[];
  /** Of the photos, by network. */
  readonly #photos: ReadonlyMap<Network, readonly Float32Array[]>;

  private constructor(networks: readonly Network[], photos: ReadonlyMap<Network, readonly Float32Array[]>) {
    this.#networks = networks;
    this.#photos = photos;
  }

  /** @throws KronaError as openClip and openDino; SAFETY_MODEL_MISSING */
  static async open(folders: ScoreFolders, photos: readonly RgbPicture[]): Promise<AdapterScorer> {
    const networks: Network[] = [];
    try {
      for (const network of openers(folders)) networks.push(await network());
      const embedded = new Map<Network, readonly Float32Array[]>();
      for (const network of networks) embedded.set(network, await embedAll(network, photos));
      return new AdapterScorer(networks, embedded);
    } catch (error) {
      for (const network of networks) await network.release();
      throw error;
    }
  }

  /** The networks' names by metric. */
  get names(): Readonly<Partial<Record<Metric, string>>> {
    return Object.fromEntries(this.#networks.map(({ metric, name }) => [metric, name]));
  }

  /** @param prompt with the class word for the subject: a rare token means nothing to CLIP */
  async score(pictures: readonly RgbPicture[], prompt: string): Promise<Scores> {
    const scores: Scores = {};
    for (const network of this.#networks) {
      const made = await embedAll(network, pictures);
      scores[network.metric] = meanCosine(made, this.#photos.get(network) ?? []);
      if (network.embedText !== null) scores['CLIP-T'] = meanCosine(made, [await network.embedText(prompt)]);
    }
    return scores;
  }

  /** @param perPrompt what `score` gave for each prompt */
  table(perPrompt: readonly Scores[]): ScoreTable {
    const metrics = [...this.#networks.map(({ metric }) => metric), 'CLIP-T' as const];
    const adapter: Partial<Record<Metric, Interval>> = {};
    for (const metric of metrics) {
      const values = perPrompt.flatMap((scores) => scores[metric] ?? []);
      if (values.length > 0) adapter[metric] = bootstrap(values, mean);
    }
    const photos: Scores = {};
    for (const [{ metric }, vectors] of this.#photos)
      if (vectors.length > 1) photos[metric] = mean(vectors.flatMap((one) => othersOf(vectors, one)));
    return { adapter, photos };
  }

  async release(): Promise<void> {
    for (const network of this.#networks) await network.release();
  }
}

function openers({ clip, dino }: ScoreFolders): (() => Promise<Network>)[] {
  const list: (() => Promise<Network>)[] = [];
  if (clip !== undefined)
    list.push(async () => {
      const tower = await openClip(clip);
      return { ...tower, metric: 'CLIP-I' };
    });
  if (dino !== undefined)
    list.push(async () => ({ ...(await openDino(dino)), metric: 'DINO', embedText: null }));
  if (list.length === 0) list.push(openBuiltIn);
  return list;
}

async function openBuiltIn(): Promise<Network> {
  const network = await openMobileNet();
  return {
    metric: 'MobileNet',
    name: 'built in',
    async embed(picture) {
      const [features = new Float32Array()] = await network.features([picture]);
      return features;
    },
    embedText: null,
    release: () => network.release(),
  };
}

async function embedAll(network: Network, pictures: readonly RgbPicture[]): Promise<Float32Array[]> {
  const vectors: Float32Array[] = [];
  for (const picture of pictures) vectors.push(await network.embed(picture));
  return vectors;
}

const meanCosine = (some: readonly Float32Array[], others: readonly Float32Array[]): number =>
  mean(some.flatMap((one) => others.map((other) => cosine(one, other))));

const othersOf = (vectors: readonly Float32Array[], one: Float32Array): number[] =>
  vectors.filter((other) => other !== one).map((other) => cosine(one, other));
