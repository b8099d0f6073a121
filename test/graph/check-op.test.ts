/** @file The checks themselves: that they can fail, and say where. */
import { describe, expect, it } from 'vitest';
import * as op from '../../gpu-worker/graph/ops.ts';
import { compareAll } from '../helpers/allclose.ts';
import { checkOp } from '../helpers/check-op.ts';
import { erf } from '../helpers/reference-math.ts';

describe('toBeAllclose', () => {
  it('names the index of the worst value', () => {
    const expected = [1, 2, 3, 4, 5, 6];
    const actual = [1, 2.5, 3, 4, 7, 8];
    const { pass, message } = compareAll(actual, expected, { shape: [2, 3], absolute: 0.5, relative: 0 });
    expect(pass).toBe(false);
    expect(message()).toBe(
      '2 of 6 values differ; the worst, at [1,1]: got 7, expected 5, off by 2, allowed 0.5',
    );
  });

  it("allows the dtype's rounding", () => {
    expect([1.00001]).toBeAllclose([1]);
    expect([1.0001]).not.toBeAllclose([1]);
    expect([1.001]).toBeAllclose([1], { dtype: 'float16' });
    expect([1.01]).not.toBeAllclose([1], { dtype: 'float16' });
    expect([1.01]).toBeAllclose([1], { dtype: 'bfloat16' });
    expect([1 + 1e-9]).not.toBeAllclose([1], { dtype: 'int64' });
    expect([1.0001]).toBeAllclose([1], { relative: 1e-3 });
  });

  it('treats NaN as far from everything, and infinities as equal to themselves', () => {
    expect([Infinity, -Infinity]).toBeAllclose([Infinity, -Infinity]);
    expect([Infinity]).not.toBeAllclose([1e30]);
    expect([1, NaN]).not.toBeAllclose([1, NaN]);
    expect(compareAll([5, NaN, 1], [0, 0, 0]).message()).toContain('the worst, at [1]: got NaN');
  });

  it('requires the expected number of values', () => {
    expect(compareAll([1, 2], [1]).message()).toBe('expected 1 values, got 2');
    expect([]).not.toBeAllclose([1]);
  });
});

describe('checkOp', () => {
  it('fails if a result is off by more than the tolerance', async () => {
    await expect(checkOp(op.exp, [[3, 4]], { tolerance: 0 })).rejects.toThrow(
      /forward: \d+ of 12 values differ; the worst, at \[\d,\d\]/,
    );
  });

  it("fails if a gradient isn't the slope", async () => {
    // Rounding to float16 passes gradients straight through, although its slope is 0 almost everywhere.
    await expect(checkOp((x) => op.cast(op.cast(x, 'float16'), 'float32'), [[2, 3]])).rejects.toThrow(
      /gradient by x0 at positions 0,1,2,3,4,5 of \[2,3\]: 6 of 6 values differ/,
    );
  });

  it('has an error function that is accurate to 15 digits', () => {
    // DLMF, table 7.22 and asymptotics.
    const known = [0, 0, 0.5, 0.520499877813046538, 1, 0.842700792949714869, 3, 0.999977909503001415];
    for (let i = 0; i < known.length; i += 2) {
      expect(erf(known[i]!)).toBeCloseTo(known[i + 1]!, 14);
      expect(erf(-known[i]!)).toBeCloseTo(-known[i + 1]!, 14);
    }
    expect(erf(40)).toBe(1);
  });
});
