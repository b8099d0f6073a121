import { expect, it } from 'vitest';
import { Backoff, withoutRepeats } from '../../core/backoff.ts';

it('waits twice as long after each failure up to a limit, at random, and briefly again after a success', () => {
  const backoff = new Backoff(100, 1000);
  for (const limit of [100, 200, 400, 800, 1000, 1000]) {
    const pause = backoff.next();
    expect(pause).toBeGreaterThanOrEqual(limit / 2);
    expect(pause).toBeLessThanOrEqual(limit);
  }
  backoff.reset();
  expect(backoff.next()).toBeLessThanOrEqual(100);
  const pauses = Array.from({ length: 5 }, () => new Backoff(100, 1000).next());
  expect(new Set(pauses).size).toBeGreaterThan(1);
});

it('reports an error once while it repeats, and others at once', () => {
  const reported: string[] = [];
  const report = withoutRepeats(({ message }) => reported.push(message));
  for (let n = 0; n < 1000; n++) report(new Error('full'));
  report(new Error('read-only'));
  report(new Error('full'));
  expect(reported).toEqual(['full', 'read-only']);
});
