import { expect, it } from 'vitest';
import { createNoise } from '../../gpu-worker/sampling/noise.ts';
import { TorchGenerator } from '../../gpu-worker/sampling/torch-noise.ts';

const SIZE = 4 * 4 * 8;

it("keeps a picture's noise for any size of its set, at every draw", () => {
  const [four, one] = [createNoise('krona', 9), createNoise('krona', 9)];
  for (let draw = 0; draw < 3; draw++)
    expect(one.draw(1, SIZE)).toEqual(four.draw(4, SIZE).subarray(0, SIZE));
});

it('gives every picture and every draw different noise', () => {
  const noise = createNoise('krona', 9);
  const draws = [...noise.draw(4, SIZE), ...noise.draw(4, SIZE)];
  expect(new Set(draws).size).toBe(draws.length);
});

it("draws a set at once from torch's generator, as diffusers does", () => {
  const [noise, generator] = [createNoise('torch', 9), new TorchGenerator(9)];
  expect(noise.draw(4, SIZE)).toEqual(generator.randn(4 * SIZE));
  expect(noise.draw(4, SIZE)).toEqual(generator.randn(4 * SIZE));
});
