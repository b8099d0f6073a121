/** @file Combines several arrays element by element. */

/** f(a[i], b[i]) for every i. @throws RangeError if the lengths differ */
export function zip2(a: Float32Array, b: Float32Array, f: (x: number, y: number) => number): Float32Array {
  checkLength(a, b);
  return a.map((x, i) => f(x, b[i]!));
}

/** f(a[i], b[i], c[i]) for every i. @throws RangeError if the lengths differ */
export function zip3(
  a: Float32Array,
  b: Float32Array,
  c: Float32Array,
  f: (x: number, y: number, z: number) => number,
): Float32Array {
  checkLength(a, b);
  checkLength(a, c);
  return a.map((x, i) => f(x, b[i]!, c[i]!));
}

function checkLength(a: Float32Array, b: Float32Array): void {
  if (a.length !== b.length) throw new RangeError(`arrays of ${a.length} and ${b.length} numbers`);
}
