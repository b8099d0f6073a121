/**
 * @file The job `pull`: brings this machine's files of a model in line with the records. It downloads a model that a pull asks
 * for, describes it, and lets channels use it; it deletes one that was removed. A job that comes again resumes.
 */
import { catalogueModel } from '../../core/catalogue.ts';
import type { JobHandler } from '../../storage/jobs/contract.ts';
import { carryOut, PULLS } from './carry-out.ts';
import type { WorkerContext } from './context.ts';
import { dropModel, engineOn, fetchModel, releaseModel } from './pulled-models.ts';
import { computerFor } from './speeds.ts';

export function pullJob(context: WorkerContext): JobHandler<'pull'> {
  return async (job) => {
    const { model: name } = job.payload;
    const open = await context.records.openPull(name);
    if (open === null) {
      await dropModel(context, name, (model) => releaseModel(context, model));
      return;
    }
    await carryOut(PULLS, open.id, job, context, async (_pull, conduct) => {
      const { records, log } = context;
      const model = catalogueModel(name);
      const files = await fetchModel(context, model, conduct);
      const engine = engineOn(context, model);
      // Files of another commit can have replaced those that it knew.
      await releaseModel(context, model);
      const card = await engine.describe({ onEvent: ({ notice }) => log.warn({ model: name }, notice) });
      const computer = computerFor(context.model.computer, await records.modelCard(name));
      await records.saveModelCard({ ...card, ...(computer && { computer }) }, name, files);
    });
  };
}
