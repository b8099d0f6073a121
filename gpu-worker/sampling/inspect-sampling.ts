/** @file Checks a model as model-check.ts does, and whether it can be sampled: with its own scheduler, or with which. */
import { describeError } from '../../core/errors.ts';
import { inspectModel, type ModelInspection } from '../models/model-check.ts';
import { openModel } from '../models/open-model.ts';
import { schedulerProblem } from './schedulers/create-scheduler.ts';

/**
 * A scheduler that isn't built is a problem (SCHEDULER_UNSUPPORTED) but not a failure, as another takes its place.
 *
 * @throws KronaError MODEL_NOT_FOUND when there is nothing at `path`
 */
export async function inspectSampling(path: string): Promise<ModelInspection> {
  const schedulers: Readonly<Record<string, unknown>>[] = [];
  const found = await inspectModel(path, async (given) => {
    const model = await openModel(given);
    schedulers.push(model.scheduler);
    return model;
  });
  let { ok } = found;
  const problems = schedulers.flatMap((config) => {
    try {
      return schedulerProblem(config) ?? [];
    } catch (error) {
      ok = false;
      return describeError(error);
    }
  });
  return {
    ...found,
    ok,
    problems: [...found.problems, ...problems.map(({ code, message }) => ({ code, message }))],
  };
}
