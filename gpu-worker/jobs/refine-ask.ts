/** @file What the engine gets of a refinement: the adapter, and members' pictures as files of the run's folder. */
import { join } from 'node:path';
import { KronaError } from '../../core/errors.ts';
import { resolvePrompt } from '../../core/prompt.ts';
import type { Run, Subject } from '../../core/records.ts';
import { refineRecipe, type RefineOptions } from '../training/refine-options.ts';
import type { WorkerContext } from './context.ts';
import { adapterFile, copyBlob } from './local-files.ts';

/**
 * Returns the options of a refinement, without pictures that were deleted since it was requested; null for other runs.
 *
 * @throws KronaError ADAPTER_GONE, PICTURES_GONE
 */
export async function refineAsk(
  { refinement }: Run,
  subject: Subject,
  folder: string,
  context: WorkerContext,
): Promise<RefineOptions | null> {
  if (refinement === null) return null;
  const { records, model } = context;
  const from = await records.adapter(refinement.from);
  if (from === null)
    throw new KronaError(
      'ADAPTER_GONE',
      `The champion that this refinement goes on from was deleted. Refine ${subject.name} again.`,
    );
  const subjects = await records.subjects(subject.channelId);
  const found = new Map<string, { readonly path: string; readonly prompt: string }>();
  const ids = refinement.pairs.flatMap(({ winner, loser }) => [winner, loser]);
  for (const id of new Set(ids)) {
    const picture = await records.picture(id);
    const set = picture && (await records.set(picture.setId));
    if (picture === null || set === null) continue;
    const path = join(folder, `picture-${id}.png`);
    await copyBlob(context, picture.blobHash, path);
    found.set(id, { path, prompt: resolvePrompt(set.prompt, subjects, [subject.id]).text });
  }
  const pairs = refinement.pairs.flatMap(({ winner, loser, weight, setId }) => {
    const [better, worse] = [found.get(winner), found.get(loser)];
    if (better === undefined || worse === undefined) return [];
    return [{ winner: better.path, loser: worse.path, prompt: better.prompt, weight, set: setId }];
  });
  if (pairs.length === 0)
    throw new KronaError(
      'PICTURES_GONE',
      `The pictures that members voted on were deleted. Vote on others, and refine ${subject.name} again.`,
    );
  const examples = refinement.examples.flatMap(({ picture, weight }) => {
    const drawn = found.get(picture);
    return drawn === undefined ? [] : [{ picture: drawn.path, prompt: drawn.prompt, weight }];
  });
  const { preference, beta, photoWeight, exampleSteps } = refineRecipe(model);
  return {
    from: await adapterFile(context, from.blobHash),
    pairs,
    examples,
    preference,
    beta,
    photoWeight,
    exampleSteps,
  };
}
