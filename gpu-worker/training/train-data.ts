/** @file Prepares the material of a run's micro-batches from its options: class pictures, captions, masks, latents. */
import { modelCard } from '../adapters/model-card.ts';
import type { ModelFolder } from '../models/model-folder.ts';
import { captionPrompt } from './captions.ts';
import { classPictures } from './class-pictures.ts';
import { Dataset } from './dataset.ts';
import type { NoiseSchedule } from './noise-schedule.ts';
import { cachePhotos, distinctSizes, photoSizes, type CachedPhoto } from './photo-cache.ts';
import { cachePairs, examplePhotos } from './refine-data.ts';
import { Pairs } from './pairs.ts';
import type { TrainHooks } from './train-hooks.ts';
import type { TrainOptions } from './train-options.ts';

export interface TrainData {
  readonly dataset: Dataset;
  /** null unless the training refines an adapter with pairs. */
  readonly pairs: Pairs | null;
  /** All prompts of its rows. */
  readonly prompts: readonly string[];
  /** Paths. */
  readonly classPictures: readonly string[];
}

/**
 * @param report called with the name of each phase
 * @throws KronaError PHOTO_*, MASK_*, FILE_UNWRITABLE; the signal's reason when it aborts
 */
export async function trainData(
  model: ModelFolder,
  schedule: NoiseSchedule,
  options: TrainOptions,
  { turn, signal, onState, shared = {} }: TrainHooks,
  report: (phase: string) => void,
): Promise<TrainData> {
  const { photos, prior, seed, resolution } = options;
  report('reading photos');
  const sizes = await photoSizes(photos, options, modelCard(model).sizeMultiple);
  const sources = photos.map((path, n) => {
    const caption = options.captions?.[n];
    return {
      path,
      prompt: caption ? captionPrompt(caption, options) : options.prompt,
      bare: !caption,
      mask: options.masks?.[n] ?? null,
    };
  });
  const onDone = (): void => signal?.throwIfAborted();
  const ofMembers = await (shared.photos ??= cachePhotos(model, sources, sizes, options, onDone));
  const { refine } = options;
  if (refine) report('reading pictures');
  const cached = refine ? await examplePhotos(model, refine.examples, ofMembers, options, onDone) : ofMembers;
  const cachedPairs =
    refine && refine.exampleSteps < options.steps
      ? await cachePairs(model, refine.pairs, distinctSizes(cached), options, onDone)
      : [];

  const ofClass: CachedPhoto[] = [];
  let paths: readonly string[] = [];
  if (prior) {
    paths = await classPictures(model, { seed, ...prior }, resolution, {
      onPicture: (n, all) => report(`drawing class picture ${n} of ${all}`),
      onKept: () => onState?.(0),
      ...(turn && { turn }),
      ...(signal && { signal }),
    });
    report('reading class pictures');
    const pictures = paths.map((path) => ({ path, prompt: prior.prompt, mask: null }));
    for (const size of distinctSizes(cached)) {
      const same = pictures.map(() => size);
      ofClass.push(...(await cachePhotos(model, pictures, same, { seed, resolution }, onDone)));
    }
  }
  const dataset = new Dataset(cached, ofClass, model, schedule, {
    ...options,
    ...(prior && { priorWeight: prior.weight }),
  });
  return {
    dataset,
    pairs: cachedPairs.length > 0 ? new Pairs(cachedPairs, model, schedule, options) : null,
    prompts: [...[...cached, ...ofClass].flatMap(({ views }) => views), ...cachedPairs].map(
      ({ prompt }) => prompt,
    ),
    classPictures: paths,
  };
}
