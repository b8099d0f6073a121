/** @file Slopes of measured series: Theil–Sen's, with an interval by a moving-block bootstrap, as neighbours in time are alike. */
import { KeyedRandom } from '../../core/random.ts';
import { median } from '../report.ts';

export interface Slope {
  /** Units an hour. */
  readonly perHour: number;
  /** 95% interval. */
  readonly low: number;
  readonly high: number;
}

/** Samples that are drawn together: 5 minutes at one each 30 s. */
const BLOCK = 10;
const DRAWS = 1000;

/** @param hours - times of the values, h */
export function slopeOf(hours: readonly number[], values: readonly number[]): Slope {
  const perHour = theilSen(hours, values);
  const middle = median(values.map((value, n) => value - perHour * (hours[n] ?? 0)));
  const trend = hours.map((hour) => middle + perHour * hour);
  const rest = values.map((value, n) => value - (trend[n] ?? 0));
  const random = new KeyedRandom(1, 'soak blocks');
  const block = Math.min(BLOCK, rest.length);
  const draws = Array.from({ length: DRAWS }, () => {
    const drawn: number[] = [];
    while (drawn.length < rest.length) {
      const from = random.integer(rest.length - block + 1);
      drawn.push(...rest.slice(from, from + block));
    }
    return theilSen(
      hours,
      trend.map((value, n) => value + (drawn[n] ?? 0)),
    );
  }).sort((one, other) => one - other);
  return {
    perHour,
    low: draws[Math.floor(0.025 * DRAWS)] ?? NaN,
    high: draws[Math.ceil(0.975 * DRAWS) - 1] ?? NaN,
  };
}

/** The median of the slopes of all pairs. */
function theilSen(hours: readonly number[], values: readonly number[]): number {
  const slopes: number[] = [];
  for (let one = 0; one < values.length; one += 1)
    for (let other = one + 1; other < values.length; other += 1)
      slopes.push(((values[other] ?? 0) - (values[one] ?? 0)) / ((hours[other] ?? 0) - (hours[one] ?? 0)));
  return median(slopes);
}
