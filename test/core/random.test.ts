import { describe, expect, it } from 'vitest';
import { KeyedRandom, philox4x32 } from '../../core/random.ts';

const hex = (words: readonly number[]) => words.map((word) => word.toString(16).padStart(8, '0')).join(' ');

describe('Philox 4x32-10', () => {
  // Known answers published with the reference implementation (Random123, kat_vectors).
  it.each([
    [[0, 0, 0, 0], [0, 0], '6627e8d5 e169c58d bc57ac4c 9b00dbd8'],
    [
      [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      '408f276d 41c83b0e a20bc7c6 6d5451fd',
    ],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      'd16cfe09 94fdcceb 5001e420 24126ea1',
    ],
  ] as const)('matches the published block for counter %j and key %j', (counter, key, expected) => {
    expect(hex(philox4x32(counter, key))).toBe(expected);
  });
});

describe('numbers keyed by seed, purpose and step', () => {
  it('are the same at any time', () => {
    const before = new KeyedRandom(7, 'noise', 3).normals(1000);
    new KeyedRandom(7, 'noise', 2).normals(77);
    expect(new KeyedRandom(7, 'noise', 3).normals(1000)).toEqual(before);
  });

  it.each([
    ['another seed', new KeyedRandom(8, 'noise', 3)],
    ['a seed that differs above 32 bits', new KeyedRandom(7 + 2 ** 32, 'noise', 3)],
    ['another purpose', new KeyedRandom(7, 'timesteps', 3)],
    ['another step', new KeyedRandom(7, 'noise', 4)],
  ])('are unrelated for %s', (_, other) => {
    const count = 20_000;
    const [x, y] = [new KeyedRandom(7, 'noise', 3).normals(count), other.normals(count)];
    const correlation = x.reduce((sum, value, i) => sum + value * y[i]!, 0) / count;
    // Five standard deviations of the correlation of unrelated numbers.
    expect(Math.abs(correlation)).toBeLessThan(5 / Math.sqrt(count));
  });

  it('follow the standard normal distribution', () => {
    const count = 200_000;
    const values = new KeyedRandom(1, 'noise').normals(count);
    const moment = (power: number) => values.reduce((sum, value) => sum + value ** power, 0) / count;
    // About four standard deviations of each estimate.
    expect(Math.abs(moment(1))).toBeLessThan(0.009);
    expect(Math.abs(moment(2) - 1)).toBeLessThan(0.013);
    expect(Math.abs(moment(3))).toBeLessThan(0.035);
    expect(Math.abs(moment(4) - 3)).toBeLessThan(0.09);
    // Neighbours come from one pair of uniforms and must not be related all the same.
    const neighbours = values.reduce((sum, value, i) => sum + value * (values[i + 1] ?? 0), 0) / count;
    expect(Math.abs(neighbours)).toBeLessThan(0.009);
  });

  it('are even over whole numbers, with none out of range', () => {
    const random = new KeyedRandom(5, 'timesteps');
    const counts = new Array<number>(10).fill(0);
    for (let i = 0; i < 100_000; i++) counts[random.integer(10)]!++;
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500);
    expect(counts.reduce((sum, count) => sum + count)).toBe(100_000);
  });

  it('are uniform between 0 and 1', () => {
    const random = new KeyedRandom(5, 'crop');
    const values = Float64Array.from({ length: 100_000 }, () => random.uniform());
    expect(values.every((value) => value >= 0 && value < 1)).toBe(true);
    expect(values.reduce((sum, value) => sum + value) / values.length).toBeCloseTo(0.5, 2);
    expect(values.reduce((sum, value) => sum + value * value) / values.length).toBeCloseTo(1 / 3, 2);
  });
});
