/**
 * @file Prior preservation's pictures (DreamBooth, arXiv 2208.12242, section 3.3): the model's own pictures of the
 * class, trained along with the photos so that "a dog" doesn't become this dog. They are drawn once and kept: their
 * folder name covers everything that decides them.
 */
import { createHash } from 'node:crypto';
import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { exists, makeFolder } from '../../core/files.ts';
import { modelCard } from '../adapters/model-card.ts';
import { modelFingerprint } from '../models/fingerprint.ts';
import type { ModelFolder } from '../models/model-folder.ts';
import { imagineDefaults } from '../sampling/imagine-defaults.ts';
import { writePicture } from '../sampling/picture-file.ts';
import { TextToImage } from '../sampling/text-to-image.ts';

export interface Prior {
  /** Prompt of the class pictures, e.g. `a photo of a dog`. */
  readonly prompt: string;
  /** Number of class pictures. */
  readonly pictures: number;
  /** Weight of their loss relative to the photos'. */
  readonly weight: number;
  /** Folder for class pictures, with a subfolder for each model, prompt, seed and size. */
  readonly folder: string;
  /** Seed of the first picture; the run's by default. With a fixed seed, all runs of a class share their pictures. */
  readonly seed?: number;
}

export interface DrawHooks {
  /** Called before picture n of the total, from 1. */
  readonly onPicture?: (n: number, pictures: number) => void;
  /** Called after each that was drawn and written. */
  readonly onKept?: () => void;
  readonly turn?: () => Promise<void>;
  readonly signal?: AbortSignal;
}

/**
 * Draws the missing pictures, with the defaults of `krona imagine`.
 *
 * @param side pixels
 * @returns paths, one per picture; a smaller number of pictures returns the first of a larger
 * @throws KronaError as TextToImage; FILE_UNWRITABLE; the signal's reason when it aborts
 */
export async function classPictures(
  model: ModelFolder,
  { prompt, pictures, folder, seed }: Required<Prior>,
  side: number,
  { onPicture, onKept, turn, signal }: DrawHooks = {},
): Promise<string[]> {
  const { steps, guidance } = imagineDefaults(modelCard(model));
  const facts = [await modelFingerprint(model), prompt, seed, side, steps, guidance];
  const own = join(folder, createHash('sha256').update(JSON.stringify(facts)).digest('hex').slice(0, 16));
  const paths = Array.from({ length: pictures }, (_, n) => join(own, `${String(n).padStart(5, '0')}.png`));
  const there = await Promise.all(paths.map(exists));
  const missing = [...paths.entries()].filter(([n]) => !there[n]);
  await makeFolder(own);
  // Tells when they were used last: old ones are removed.
  await utimes(own, new Date(), new Date());
  if (missing.length === 0) return paths;
  const painter = await TextToImage.open(model);
  try {
    for (const [n, path] of missing) {
      onPicture?.(n + 1, pictures);
      const [picture] = await painter.draw(
        {
          prompt,
          negative: null,
          adapter: null,
          steps,
          guidance,
          scheduler: null,
          width: side,
          height: side,
          seed: (seed + n) % Number.MAX_SAFE_INTEGER,
          count: 1,
          noise: 'krona',
        },
        { ...(turn && { turn }), ...(signal && { signal }) },
      );
      await writePicture(path, picture!);
      onKept?.();
    }
  } finally {
    await painter.release();
  }
  return paths;
}
