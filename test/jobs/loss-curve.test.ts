import { expect, it } from 'vitest';
import { LossCurve } from '../../gpu-worker/jobs/loss-curve.ts';

const feed = (curve: LossCurve, from: number, to: number, loss = (step: number) => step): LossCurve => {
  for (let step = from; step <= to; step++) curve.add(step, loss(step));
  return curve;
};

it('a short run shows every step', () => {
  expect(feed(new LossCurve(60), 1, 3).points).toEqual([1, 2, 3].map((step) => ({ step, loss: step })));
});

it('a long run shows means over intervals, at most 200', () => {
  const { points } = feed(new LossCurve(1000), 1, 1000);
  expect(points).toHaveLength(200);
  // Steps 1 to 5, 6 to 10, …
  expect(points.slice(0, 2).map(({ step }) => step)).toEqual([5, 10]);
  points.forEach(({ loss }, n) => expect(loss).toBeCloseTo(5 * n + 3, 10));
  expect(feed(new LossCurve(1001), 1, 1001).points.length).toBeLessThanOrEqual(200);
});

it('the current interval shows its mean so far', () => {
  const { points } = feed(new LossCurve(1000), 1, 8);
  expect(points.at(-1)).toEqual({ step: 8, loss: 7 });
});

it('a run that resumes at an earlier step removes the later points', () => {
  const before = feed(new LossCurve(1000), 1, 23).points;
  const after = feed(new LossCurve(1000, before), 11, 30);
  expect(after.points).toEqual(feed(new LossCurve(1000), 1, 30).points);
  const inStretch = feed(new LossCurve(1000, before), 24, 30);
  expect(inStretch.points).toEqual(feed(new LossCurve(1000), 1, 30).points);
});
