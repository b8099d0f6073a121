/** @file A worker process of the comparison: takes one training at a time from its parent. */
import { at } from '../../core/at.ts';
import { describeError } from '../../core/errors.ts';
import { useDevice, type DeviceInUse } from '../../gpu-worker/graph/device.ts';
import { Comparison, type ComparisonFolder } from './compare-subject.ts';
import type { Training } from './comparison-plan.ts';

/** The parent's request, and the answer when it is done. */
export type WorkerAsk = { readonly prepare: string } | { readonly training: Training };
export type WorkerAnswer = { readonly error: { readonly code: string; readonly message: string } | null };

// The device that the parent chose and tried.
const { device, dialect } = JSON.parse(at(process.argv, 3)) as DeviceInUse;
useDevice(device, dialect);
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
// The parent is gone, perhaps killed: stop.
process.on('disconnect', () => process.exit(0));
