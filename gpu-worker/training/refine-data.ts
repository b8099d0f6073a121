/** @file The pictures of a refinement as latents: pairs, and examples beside the photos. */
import type { ModelFolder } from '../models/model-folder.ts';
import type { Size } from './buckets.ts';
import { modelCard } from '../adapters/model-card.ts';
import { at } from '../../core/at.ts';
import { cachePhotos, photoSizes, type CachedPhoto } from './photo-cache.ts';
import type { CachedPair } from './pairs.ts';
import type { PreferencePair, WeightedExample } from './refine-options.ts';
import type { TrainOptions } from './train-options.ts';

type Settings = Pick<TrainOptions, 'seed' | 'resolution' | 'buckets'>;

/**
 * The photos and the examples, with weights: all examples together weigh as much as all photos, and the mean is 1.
 *
 * @param onDone after each
 */
export async function examplePhotos(
  model: ModelFolder,
  examples: readonly WeightedExample[],
  photos: readonly CachedPhoto[],
  options: Settings,
  onDone: () => void,
): Promise<CachedPhoto[]> {
  if (examples.length === 0) return [...photos];
  const paths = examples.map(({ picture }) => picture);
  const sources = examples.map(({ picture, prompt }) => ({ path: picture, prompt, mask: null }));
  const sizes = await photoSizes(paths, options, modelCard(model).sizeMultiple);
  const { seed, resolution } = options;
  const cached = await cachePhotos(model, sources, sizes, { seed, resolution }, onDone);
  const all = photos.length + examples.length;
  const sum = examples.reduce((total, { weight }) => total + weight, 0);
  const half = photos.length === 0 ? all : all / 2;
  return [
    ...photos.map((photo) => ({ ...photo, weight: half / photos.length })),
    ...cached.map((photo, n) => ({ ...photo, weight: (half * at(examples, n).weight) / sum })),
  ];
}

/** Every pair in every size, each picture encoded once a size. @param onDone after each picture */
export async function cachePairs(
  model: ModelFolder,
  pairs: readonly PreferencePair[],
  sizes: readonly Size[],
  { seed, resolution }: Settings,
  onDone: () => void,
): Promise<CachedPair[]> {
  const paths = [...new Set(pairs.flatMap(({ winner, loser }) => [winner, loser]))];
  const sources = paths.map((path) => ({ path, prompt: '', mask: null }));
  const cached: CachedPair[] = [];
  for (const size of sizes) {
    const same = paths.map(() => size);
    const photos = await cachePhotos(model, sources, same, { seed, resolution }, onDone);
    const viewOf = (path: string) => at(at(photos, paths.indexOf(path)).views, 0);
    for (const { winner, loser, prompt, weight, set } of pairs)
      cached.push({ ...size, prompt, weight, set, winner: viewOf(winner), loser: viewOf(loser) });
  }
  return cached;
}
