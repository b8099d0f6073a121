/** @file Ends this process when the one that started it is gone, also while its main thread computes. */
import { Worker } from 'node:worker_threads';

/** How often the parent is looked for, ms. */
const LOOK_EVERY = 1_000;

/** A thread of its own: a session's run blocks the main thread, which then hears of no closed channel. */
export function endWithParent(): void {
  const watch = `setInterval(() => {
    if (process.ppid !== ${process.ppid}) process.kill(${process.pid}, 'SIGKILL');
  }, ${LOOK_EVERY})`;
  new Worker(watch, { eval: true }).unref();
}
