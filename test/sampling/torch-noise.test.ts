import { describe, expect, it } from 'vitest';
import { TorchGenerator } from '../../gpu-worker/sampling/torch-noise.ts';
import { readFixture, worstError } from '../helpers/fixtures.ts';

interface Facts {
  readonly seeds: readonly number[];
  readonly sizes: readonly number[];
  readonly sequence: readonly number[];
}
const { tensor, facts } = await readFixture<Facts>('torch-randn');

describe.each(facts.seeds)('the CPU generator of torch with seed %d', (seed) => {
  it.each(facts.sizes)('draws the same %d numbers', (size) => {
    const expected = tensor(`seed-${seed}.size-${size}`).data;
    expect(worstError(new TorchGenerator(seed).randn(size), expected)).toBeLessThan(1e-6);
  });

  it('draws the same every time, small and large tensors mixed', () => {
    const generator = new TorchGenerator(seed);
    const errors = facts.sequence.map((size, i) =>
      worstError(generator.randn(size), tensor(`seed-${seed}.sequence-${i}`).data),
    );
    expect(Math.max(...errors)).toBeLessThan(1e-6);
  });
});
