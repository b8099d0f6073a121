/** @file A process that takes a training, reports it to its parent, and never ends it. Argument: the queues' URL. */
import { openJobQueue } from '../../../storage/jobs/bullmq.ts';

// Not longer than the test that started it.
process.once('disconnect', () => process.exit());

const jobs = await openJobQueue(process.argv[2]!, () => {});
await jobs.work('train', async ({ id, attempt }) => {
  process.send!({ id, attempt });
  await new Promise(() => {});
});
