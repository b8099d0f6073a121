import { describe, expect, it } from 'vitest';
import {
  allOf,
  bootstrap,
  deviation,
  groupsOf,
  mean,
  meanInterval,
  quantile,
  studentQuantile,
  verdictOf,
} from '../../../lab/evaluate/statistics.ts';
import { components } from '../../../lab/evaluate/judges.ts';
import { cosine, scaleOf, similarity } from '../../../gpu-worker/models/feature-scale.ts';

describe('statistics', () => {
  it('agree with values computed by hand', () => {
    expect(mean([1, 2, 6])).toBe(3);
    // Deviations -2, -1, 3: (4 + 1 + 9) / 2 = 7.
    expect(deviation([1, 2, 6])).toBeCloseTo(Math.sqrt(7), 12);
    expect(deviation([5])).toBe(0);
    expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5);
    expect(quantile([4, 1, 3, 2], 0.25)).toBe(1.75);
    expect(cosine(Float32Array.of(3, 4), Float32Array.of(4, 3))).toBeCloseTo(0.96, 6);
    expect(groupsOf([1, 2, 3, 4], (x) => x % 2)).toEqual([
      [1, 3],
      [2, 4],
    ]);
  });

  it('resample units: equal ones give no spread, two values give the binomial range', () => {
    expect(bootstrap([0.4, 0.4, 0.4], mean)).toEqual({
      estimate: expect.closeTo(0.4, 12) as number,
      low: expect.closeTo(0.4, 12) as number,
      high: expect.closeTo(0.4, 12) as number,
      units: 3,
    });
    // Ten units of 0 and ten of 1: the mean of 20 draws has deviation √(0.25/20) = 0.112.
    const units = Array.from({ length: 20 }, (_, i) => i % 2);
    const { estimate, low, high } = bootstrap(units, mean);
    expect(estimate).toBe(0.5);
    expect(low).toBeCloseTo(0.5 - 1.96 * 0.112, 1);
    expect(high).toBeCloseTo(0.5 + 1.96 * 0.112, 1);
    expect(bootstrap(units, mean)).toMatchObject({ estimate, low, high });
    expect(bootstrap([], mean).estimate).toBeNaN();
  });

  it('give Student’s interval for a mean of few units', () => {
    // Tables of Student's t, two-sided 95 %.
    for (const [freedom, known] of [
      [3, 3.1824],
      [5, 2.5706],
      [11, 2.201],
      [30, 2.0423],
      [1000, 1.9623],
    ] as const)
      expect(Math.abs(studentQuantile(freedom) / known - 1)).toBeLessThan(0.005);
    // Mean 3.5, deviation √3.5, six units: 2.5706·√(3.5/6) on either side.
    const { estimate, low, high, units } = meanInterval([1, 2, 3, 4, 5, 6]);
    expect([estimate, units]).toEqual([3.5, 6]);
    expect(high - estimate).toBeCloseTo(2.5706 * Math.sqrt(3.5 / 6), 3);
    expect(estimate - low).toBeCloseTo(high - estimate, 12);
    expect(meanInterval([0.4])).toEqual({ estimate: 0.4, low: 0.4, high: 0.4, units: 1 });
    expect(meanInterval([])).toMatchObject({ estimate: NaN, units: 0 });
  });

  it('decide only if the whole interval is on one side', () => {
    const at = (low: number, high: number, units = 12) => ({ estimate: (low + high) / 2, low, high, units });
    expect(verdictOf(at(0.01, 0.05))).toBe('true');
    expect(verdictOf(at(-0.01, 0.05))).toBe('undecided');
    expect(verdictOf(at(-0.01, 0.05), 0.02)).toBe('true');
    expect(verdictOf(at(-0.09, -0.03), 0.02)).toBe('false');
    // Too few subjects decide nothing, however narrow the interval.
    expect(verdictOf(at(0.04, 0.04, 1))).toBe('undecided');
    expect(allOf(['true', 'undecided'])).toBe('undecided');
    expect(allOf(['true', 'undecided', 'false'])).toBe('false');
    expect(allOf(['true', 'true'])).toBe('true');
    expect(allOf([])).toBe('undecided');
  });
});

describe("the judges' measures", () => {
  it("separate parts that touch only at corners, don't wrap around edges, and ignore specks", () => {
    const mask = Uint8Array.from([1, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 1]);
    // Top pair; the one to its lower right joins 7 and 11 and 15; 12 alone on the left edge.
    expect(components(mask, 4, 1)).toBe(3);
    expect(components(mask, 4, 2)).toBe(2);
    expect(components(new Uint8Array(16), 4, 1)).toBe(0);
  });

  it("compare features in standard deviations, so that one large dimension doesn't decide", () => {
    const rows = [Float32Array.of(1000, 0), Float32Array.of(1002, 2), Float32Array.of(998, 1)];
    const scale = scaleOf(rows);
    expect(scale.means).toEqual([1000, 1]);
    expect(scale.deviations[0]).toBeCloseTo(Math.sqrt(8 / 3), 6);
    expect(similarity(rows[0]!, rows[0]!, scale)).toBeCloseTo(1, 6);
    expect(cosine(rows[1]!, rows[2]!)).toBeGreaterThan(0.99);
    expect(similarity(rows[1]!, rows[2]!, scale)).toBeLessThan(0);
    // A dimension that never moves says nothing, however far a picture is from it.
    const still = scaleOf([Float32Array.of(5, 1), Float32Array.of(5, 3)]);
    expect(similarity(Float32Array.of(9, 3), Float32Array.of(-9, 3), still)).toBeCloseTo(1, 6);
  });
});
