/** @file The matcher `toBeAllclose`: numbers near to numbers, within what their dtype can keep. Import it for its effect. */
import { expect } from 'vitest';
import { currentDevice } from '../../gpu-worker/graph/device.ts';
import type { DType, Shape } from '../../gpu-worker/graph/primitives.ts';

/** |actual - expected| may be absolute + relative · |expected|. */
export interface Tolerance {
  readonly absolute: number;
  readonly relative: number;
}

/** A few roundings of each dtype, of values around 1. */
const TOLERANCE: Readonly<Record<DType, Tolerance>> = {
  float32: { absolute: 1e-5, relative: 1e-5 },
  float16: { absolute: 2e-3, relative: 2e-3 },
  bfloat16: { absolute: 1e-2, relative: 1e-2 },
  int64: { absolute: 0, relative: 0 },
};

export interface AllcloseOptions extends Partial<Tolerance> {
  /** Whose tolerance holds where none is given; float32 by default. */
  readonly dtype?: DType;
  /** To name the worst value by its index on each axis. */
  readonly shape?: Shape;
}

type Numbers = ArrayLike<number>;

/** Tolerances are those of the CPU; other devices add up in another order, and their exp has fewer digits. */
const slack = (): number => (currentDevice() === 'cpu' ? 1 : 10);

declare module 'vitest' {
  // oxlint-disable-next-line typescript/no-explicit-any -- vitest's own declaration, which this one must equal
  interface Matchers<T = any> {
    /** Every number near to the expected one; the error names the worst. NaN is near to nothing. */
    toBeAllclose(expected: Numbers, options?: AllcloseOptions): T;
  }
}

/** @internal The matcher without vitest, so that its text can be tested. */
export function compareAll(
  actual: Numbers,
  expected: Numbers,
  options: AllcloseOptions = {},
): { pass: boolean; message: () => string } {
  if (actual.length !== expected.length) {
    const message = (): string => `expected ${expected.length} values, got ${actual.length}`;
    return { pass: false, message };
  }
  const { absolute: a, relative: r } = { ...TOLERANCE[options.dtype ?? 'float32'], ...options };
  const [absolute, relative] = [a * slack(), r * slack()];
  let worst = -1;
  let excess = 0;
  let outside = 0;
  for (let i = 0; i < actual.length; i++) {
    const [got, want] = [actual[i]!, expected[i]!];
    if (got === want) continue; // infinities too
    const beyond = Math.abs(got - want) - (absolute + relative * Math.abs(want));
    if (beyond <= 0) continue;
    outside++;
    // NaN is worse than any number.
    const size = Number.isNaN(beyond) ? Infinity : beyond;
    if (worst < 0 || size > excess) [worst, excess] = [i, size];
  }
  if (worst < 0) return { pass: true, message: () => `expected some of ${actual.length} values to differ` };
  const [got, want] = [actual[worst]!, expected[worst]!];
  const message = (): string =>
    `${outside} of ${actual.length} values differ; the worst, at ${indexText(worst, options.shape)}: ` +
    `got ${got}, expected ${want}, off by ${Math.abs(got - want)}, allowed ${absolute + relative * Math.abs(want)}`;
  return { pass: false, message };
}

function indexText(position: number, shape: Shape = []): string {
  if (shape.length === 0) return `[${position}]`;
  let rest = position;
  const index = shape.toReversed().map((side) => {
    const i = rest % side;
    rest = (rest - i) / side;
    return i;
  });
  return `[${index.reverse().join(',')}]`;
}

expect.extend({ toBeAllclose: compareAll });
