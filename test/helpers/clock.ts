/** @file This process's clock in tests. */
import { vi } from 'vitest';

/**
 * Puts `Date.now` and the monotonic clock forward while they go on; `vi.restoreAllMocks` puts them right again. Timers and
 * `new Date` stay as they are.
 */
export function putClockForward(ms: number): void {
  const now = Date.now.bind(Date);
  vi.spyOn(Date, 'now').mockImplementation(() => now() + ms);
  const monotonic = performance.now.bind(performance);
  vi.spyOn(performance, 'now').mockImplementation(() => monotonic() + ms);
}
