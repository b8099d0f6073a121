/** @file Adapters distilled for few steps (LCM, TCD, Lightning, Hyper-SD, Turbo), which draw beside a subject's adapter. */
import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { describeError, KronaError } from '../../core/errors.ts';
import type { SpeedFile } from '../../core/settings/model-card.ts';
import { fewStepsOfFile, type FewSteps } from '../models/few-steps.ts';
import type { ModelFolder } from '../models/model-folder.ts';
import { checkAdapterFor } from './text-to-image.ts';

/** The way to draw with a file. @throws KronaError SPEED_UNKNOWN if its name doesn't say it */
export function speedOf(path: string): FewSteps {
  const found = fewStepsOfFile(path);
  if (found !== null) return found;
  throw new KronaError(
    'SPEED_UNKNOWN',
    `The name of ${basename(path)} doesn't say how to draw with it; expected lcm, tcd, lightning, hyper or turbo in it ` +
      'or in its folder’s name, as on the hub. Rename it, or use it as an ordinary adapter with a scheduler, steps and ' +
      'guidance of your own.',
  );
}

/** A speed file that the model can use. */
export interface FoundSpeed extends FewSteps, SpeedFile {
  readonly path: string;
}

/**
 * The speed files at a path: the file itself, or all .safetensors files of a folder, by name.
 *
 * @param refused is told why a file is left out, such as one of another base
 * @throws KronaError SPEED_MISSING when there is nothing at the path
 */
export async function findSpeeds(
  model: ModelFolder,
  path: string,
  refused: (why: string) => void,
): Promise<FoundSpeed[]> {
  const found = await stat(path).catch(() => null);
  if (found === null)
    throw new KronaError(
      'SPEED_MISSING',
      `There is no speed file ${basename(path)}. Name a .safetensors file, or a folder of them, in KRONA_SPEED.`,
    );
  const files = found.isDirectory()
    ? (await readdir(path)).filter((name) => name.endsWith('.safetensors')).map((name) => join(path, name))
    : [path];
  const speeds: FoundSpeed[] = [];
  for (const file of files.sort())
    try {
      const fewSteps = speedOf(file);
      await checkAdapterFor(model, file);
      speeds.push({ ...fewSteps, name: basename(file).replace(/\.safetensors$/i, ''), path: file });
    } catch (error) {
      const { code, message } = describeError(error);
      if (code === 'INTERNAL') throw error;
      refused(`${basename(file)} can't be used for speed. ${message}`);
    }
  return speeds;
}
