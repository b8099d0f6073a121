/** @file What the engine needs to know of any training of a subject. Photos are copied, as members can remove theirs meanwhile. */
import { join } from 'node:path';
import { classPrompt, trainingPrompt } from '../../core/prompt.ts';
import type { Run, Subject } from '../../core/records.ts';
import { defaultOf } from '../../core/settings/defaults.ts';
import { chosenOptions } from '../training/chosen-options.ts';
import { trainRecipe, type TrainOptions } from '../training/train-options.ts';
import type { WorkerContext } from './context.ts';
import { copyBlob } from './local-files.ts';
import { classPicturesFolder, runFolder } from './sweep-runs.ts';

/** A worker that crashes loses about this much training, s. */
const STATE_SECONDS = 30;

/** The same for all runs, so that class pictures are drawn only once. */
const CLASS_SEED = 0;

/**
 * The options of a run's training, with its photos in the run's folder.
 *
 * @throws KronaError BLOB_NOT_FOUND, DISK_FULL; the signal's reason when it aborts
 */
export async function trainAsk(
  context: WorkerContext,
  run: Run,
  subject: Subject,
  signal: AbortSignal,
): Promise<Omit<TrainOptions, 'model' | 'out' | 'resume' | 'trace' | 'checkpointEvery'>> {
  const { photoPrompts, seed } = run;
  const { steps, method, a1, a2, rank, alpha, lr } = run.settings;
  return {
    ...trainRecipe(context.model),
    photos: await copiedPhotos(context, run, signal),
    subjectToken: subject.token,
    subjectClass: subject.className,
    prompt: trainingPrompt(subject),
    ...(photoPrompts.some((prompt) => prompt !== null) && { captions: photoPrompts }),
    method,
    a1,
    a2,
    rank,
    alpha,
    lr,
    steps,
    seed,
    stateSeconds: STATE_SECONDS,
    ...chosenOptions(run.settings, () => ({
      prompt: classPrompt(subject),
      weight: defaultOf('priorWeight'),
      folder: classPicturesFolder(context.dataFolder),
      seed: CLASS_SEED,
    })),
  };
}

async function copiedPhotos(
  context: WorkerContext,
  { id, photoHashes }: Run,
  signal: AbortSignal,
): Promise<string[]> {
  const photos: string[] = [];
  for (const [n, hash] of photoHashes.entries()) {
    signal.throwIfAborted();
    const photo = join(runFolder(context.dataFolder, id), `photo-${n + 1}`);
    await copyBlob(context, hash, photo);
    photos.push(photo);
  }
  return photos;
}
