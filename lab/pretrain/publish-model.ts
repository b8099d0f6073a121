/**
 * @file Publishes trained weights as a complete model folder: weights, tokenizers, training.json, the judged sheet,
 * model card and licences, all of the same training. Replaces an earlier folder.
 */
import { readdir, realpath, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { KronaError } from '../../core/errors.ts';
import { TextToImage } from '../../gpu-worker/sampling/text-to-image.ts';
import { drawPrompts, type Evaluation } from './evaluate-model.ts';
import { exportModel, type TrainedModel } from './export-model.ts';
import { modelLicences } from './licences.ts';
import { writeModelCard } from './model-card.ts';
import { replaceFolder } from './replace-folder.ts';
import type { SpriteSheet } from './sprites.ts';
import { trainingHistoryText, type TrainingRun } from './training-history.ts';

const NAME = 'krona-emoji';

export interface Publication {
  readonly model: TrainedModel;
  readonly sheet: SpriteSheet;
  /** Licences of an autoencoder that was trained by itself; null: it was trained in these runs. */
  readonly autoencoderLicences: string | null;
  /** All runs, this one last. */
  readonly training: readonly TrainingRun[];
  /** Number of held-out prompts to draw and judge. */
  readonly prompts: number;
  /** Called after each of them; awaited. */
  readonly onDrawn?: (done: number, all: number) => Promise<void>;
}

/** @throws KronaError FILE_UNWRITABLE, DISK_FULL; and what `onDrawn` throws: then `out` stays as it was */
export function publishModel(out: string, publication: Publication): Promise<Evaluation> {
  const { model, sheet, autoencoderLicences, training } = publication;
  const { data } = model.config;
  return replaceFolder(out, async (draft) => {
    await exportModel(draft, model);
    const evaluation = await drawHeldOut(draft, publication);
    const { vae, ...others } = model.parts;
    const card = writeModelCard({
      name: NAME,
      data,
      versions: sheet.versions,
      parameters: { 'UNet and text encoders': count(Object.values(others)), VAE: count([vae]) },
      training,
      heldOut: evaluation.report,
    });
    const files = {
      'held-out.png': evaluation.sheet,
      'training.json': trainingHistoryText(training),
      'MODEL_LICENSES.md': await modelLicences(NAME, sheet.versions, autoencoderLicences),
      'README.md': card,
    };
    for (const [name, content] of Object.entries(files)) await writeFile(join(draft, name), content);
    return evaluation;
  });
}

const count = (parts: readonly ReadonlyMap<string, Float32Array>[]): number =>
  parts.flatMap((part) => [...part.values()]).reduce((sum, { length }) => sum + length, 0);

/**
 * Checks, before training, that `out` can be replaced.
 *
 * @param from model that the run starts from
 * @throws KronaError PRETRAIN_OUT
 */
export async function checkOut(out: string, from: string | undefined): Promise<void> {
  const real = (path: string): Promise<string> => realpath(path).catch(() => resolve(path));
  if (from !== undefined && (await real(from)) === (await real(out)))
    throw new KronaError(
      'PRETRAIN_OUT',
      '--out is the --from folder, which must stay unchanged so that the run can resume; choose another --out.',
    );
  const there = await readdir(out).catch((error: NodeJS.ErrnoException): string[] => {
    if (error.code === 'ENOENT') return [];
    throw new KronaError('PRETRAIN_OUT', `--out must be a folder, but ${basename(out)} isn't one.`, {
      cause: error,
    });
  });
  if (there.length > 0 && !there.includes('model_index.json'))
    throw new KronaError(
      'PRETRAIN_OUT',
      `The folder ${basename(resolve(out))} holds something other than a model; choose an --out that is empty, new, or a model to replace.`,
    );
}

/** Draws the prompts that training has left out, with the model of a folder. */
async function drawHeldOut(
  folder: string,
  { model, sheet, prompts, onDrawn }: Publication,
): Promise<Evaluation> {
  const engine = await TextToImage.open(folder);
  try {
    return await drawPrompts(engine, model.config.data, sheet, prompts, onDrawn);
  } finally {
    await engine.release();
  }
}
