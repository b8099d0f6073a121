/** @file This process's clocks in tests. `vi.restoreAllMocks` puts them right again. */
import { vi } from 'vitest';

/** The monotonic clock (performance.now), also while a test has stopped it, ms. */
export const realNow = performance.now.bind(performance);

export interface StoppedClock {
  /** @param ms - by how much the clock goes on */
  advance(ms: number): void;
}

/** Stops the monotonic clock at the present moment. */
export function stopClock(): StoppedClock {
  let now = performance.now();
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  return { advance: (ms) => void (now += ms) };
}

let skipped = 0;

/**
 * Puts the monotonic clock forward for the rest of the file, so that pauses which are measured with it are over. Unlike a
 * mock it is never put back, as clocks of that kind never go back. Timers stay as they are.
 */
export function skipTime(ms: number): void {
  skipped += ms;
  performance.now = () => realNow() + skipped;
}

/** Puts `Date.now` and the monotonic clock forward while they go on. Timers and `new Date` stay as they are. */
export function putClockForward(ms: number): void {
  const now = Date.now.bind(Date);
  vi.spyOn(Date, 'now').mockImplementation(() => now() + ms);
  vi.spyOn(performance, 'now').mockImplementation(() => realNow() + skipped + ms);
}
