/** @file This process's clock in tests. */
import { vi } from 'vitest';

/** Puts `Date.now` forward while it goes on; `vi.restoreAllMocks` puts it right again. Timers and `new Date` stay as they are. */
export function putClockForward(ms: number): void {
  const now = Date.now.bind(Date);
  vi.spyOn(Date, 'now').mockImplementation(() => now() + ms);
}
