import { expect, it } from 'vitest';
import { KeyedRandom } from '../../../core/random.ts';
import { frechetDistance } from '../../../lab/evaluate/frechet-distance.ts';
import { PictureSet } from '../../../lab/evaluate/picture-sets.ts';

/** Rows of independent normals with the given means and deviations. */
function normals(means: readonly number[], deviations: readonly number[], rows: number): Float32Array[] {
  const random = new KeyedRandom(1, 'frechet');
  return Array.from({ length: rows }, () =>
    random.normals(means.length).map((value, i) => means[i]! + deviations[i]! * value),
  );
}

it('is the closed form for Gaussians: squared distance of the means, and of the deviations', () => {
  const a = normals([0, 0, 0], [1, 2, 3], 20_000);
  expect(frechetDistance(a, a)).toBeCloseTo(0, 6);
  const moved = a.map(([x, y, z]) => Float32Array.of(x! + 3, y! - 4, z!));
  expect(frechetDistance(a, moved)).toBeCloseTo(25, 4);
  const wider = a.map((row) => row.map((value) => 3 * value));
  // (3 − 1)² · (1² + 2² + 3²), within the sample's error.
  expect(frechetDistance(a, wider) / 56).toBeCloseTo(1, 1);
  expect(frechetDistance(wider, a)).toBeCloseTo(frechetDistance(a, wider), 6);
});

it('notices correlations that means and deviations alone would miss', () => {
  const [a, other] = [normals([0, 0], [1, 1], 5_000), normals([0, 0], [1, 1], 5_000)];
  const tied = other.map(([x]) => Float32Array.of(x!, x!));
  // Σ = [[1,1],[1,1]] has trace 2 and one eigenvalue of 2: 2 + 2 − 2√2.
  expect(frechetDistance(a, tied)).toBeCloseTo(4 - 2 * Math.SQRT2, 1);
});

it('finds blurred pictures less sharp than real ones, and says nothing about too few', () => {
  const [real, soft] = [new PictureSet(), new PictureSet()];
  for (let i = 0; i < 3; i++) {
    const picture = Float32Array.from({ length: 12 }, (_, pixel) => (pixel % 2 === 0 ? 1 : -1));
    if (i < 2) expect(soft.comparedWith(real)).toBeNull();
    real.add(picture, 2, Float32Array.of(i, 1));
    soft.add(
      picture.map((value) => value / 2),
      2,
      Float32Array.of(i + 1, 1),
    );
  }
  const figures = soft.comparedWith(real)!;
  expect(figures.sharpness).toBeCloseTo(0.25, 6);
  expect(figures.frechet).toBeCloseTo(1, 6);
});
