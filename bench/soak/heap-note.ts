/**
 * @file Preloaded into processes of the soak: after each full collection, notes how much of the heap lives, in a file that
 * has the process's number. Nothing is collected that would not be anyway.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { PerformanceObserver, constants } from 'node:perf_hooks';

const folder = process.env['SOAK_HEAPS'];
if (folder !== undefined) {
  new PerformanceObserver((list) => {
    const isFull = list.getEntries().some((entry) => {
      const told: unknown = entry.toJSON();
      const detail = typeof told === 'object' && told !== null && 'detail' in told ? told.detail : null;
      return (
        typeof detail === 'object' &&
        detail !== null &&
        'kind' in detail &&
        detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR
      );
    });
    if (!isFull) return;
    const path = `${folder}/${process.pid}`;
    writeFileSync(`${path}.new`, String(process.memoryUsage().heapUsed));
    renameSync(`${path}.new`, path);
  }).observe({ entryTypes: ['gc'] });
}
