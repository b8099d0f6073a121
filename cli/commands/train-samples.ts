/** @file `--sample`: pictures that show the progress of a training. */
import { at } from '../../core/at.ts';
import { weightedSpans } from '../../core/prompts/weights.ts';
import type { SchedulerName } from '../../core/settings/choices.ts';
import { modelCard } from '../../gpu-worker/adapters/model-card.ts';
import { openModel } from '../../gpu-worker/models/open-model.ts';
import { imagineDefaults } from '../../gpu-worker/sampling/imagine-defaults.ts';
import { writePicture } from '../../gpu-worker/sampling/picture-file.ts';
import { createScheduler, schedulerProblem } from '../../gpu-worker/sampling/schedulers/create-scheduler.ts';
import { TextToImage } from '../../gpu-worker/sampling/text-to-image.ts';
import type { SavedAdapter } from '../../gpu-worker/training/train-hooks.ts';
import type { TrainOptions } from '../../gpu-worker/training/train-options.ts';

/**
 * Checks before a training that its samples can be drawn.
 *
 * @param scheduler null for the model's own
 * @returns what to tell: that another scheduler than the model's is used; null if nothing
 * @throws KronaError MODEL_*, STEPS_INVALID, PROMPT_WEIGHT_INVALID
 */
export async function checkSamples(
  path: string,
  scheduler: SchedulerName | null,
  prompts: readonly string[],
): Promise<string | null> {
  for (const prompt of prompts) weightedSpans(prompt);
  const model = await openModel(path);
  createScheduler(scheduler, model.scheduler, imagineDefaults(modelCard(model)).steps);
  return scheduler === null ? (schedulerProblem(model.scheduler)?.message ?? null) : null;
}

/**
 * Draws each prompt with a saved adapter, as `krona imagine` does by default and from the same noise at every checkpoint.
 * The model is released afterwards, as the training holds it in memory too.
 *
 * @returns paths, beside the adapter: `mochi-000200-sample-1.png`
 * @throws KronaError as TextToImage; FILE_UNWRITABLE; the signal's reason when it aborts
 */
export async function drawSamples(
  { path }: SavedAdapter,
  prompts: readonly string[],
  { model, seed }: TrainOptions,
  scheduler: SchedulerName | null,
  signal: AbortSignal,
): Promise<string[]> {
  const painter = await TextToImage.open(model);
  try {
    const adapter = [await painter.readAdapter(path)];
    const paths: string[] = [];
    for (const [n, prompt] of prompts.entries()) {
      const [picture] = await painter.draw(
        {
          ...imagineDefaults(modelCard(painter.model)),
          prompt,
          negative: null,
          adapter,
          scheduler,
          seed,
          count: 1,
          noise: 'krona',
        },
        { signal },
      );
      paths.push(path.replace(/(\.safetensors)?$/, `-sample-${n + 1}.png`));
      await writePicture(at(paths, -1), picture!);
    }
    return paths;
  } finally {
    await painter.release();
  }
}
