/** @file One of the processes that train for the comparison: takes a training at a time from its parent, which starts it. */
import { at } from '../../core/at.ts';
import type { Device } from '../../core/config.ts';
import { describeError } from '../../core/errors.ts';
import { useDevice } from '../../gpu-worker/graph/device.ts';
import { Comparison, type ComparisonFolder } from './compare-subject.ts';
import type { Training } from './comparison-plan.ts';

/** What the parent asks, and what it hears when that is done. */
export type WorkerAsk = { readonly prepare: string } | { readonly training: Training };
export type WorkerAnswer = { readonly error: { readonly code: string; readonly message: string } | null };

// That of the parent, which has tried it.
useDevice(process.argv[3] as Device);
const comparison = Comparison.open(JSON.parse(at(process.argv, 2)) as ComparisonFolder);

process.on('message', (ask: WorkerAsk) => {
  void (async () => {
    const opened = await comparison;
    await ('prepare' in ask ? opened.prepare(ask.prepare) : opened.run(ask.training));
  })().then(
    () => process.send!({ error: null } satisfies WorkerAnswer),
    (error: unknown) => process.send!({ error: describeError(error) } satisfies WorkerAnswer),
  );
});
// Nobody to work for is left, also when the parent was killed.
process.on('disconnect', () => process.exit(0));
