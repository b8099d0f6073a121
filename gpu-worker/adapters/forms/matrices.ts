/**
 * @file Products of matrices and of LyCORIS's Tucker cores, as files hold factors. Sums are in double precision and
 * rounded once. Indices stay in range because the callers check the sides of all factors.
 */

/** scale · left [rows, inner] · right [inner, columns], row by row. */
export function multiply(left: Float32Array, right: Float32Array, inner: number, scale = 1): Float32Array {
  const [rows, columns] = [left.length / inner, right.length / inner];
  const result = new Float32Array(rows * columns);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) {
      let sum = 0;
      for (let r = 0; r < inner; r++) sum += left[i * inner + r]! * right[r * columns + j]!;
      result[i * columns + j] = sum * scale;
    }
  return result;
}

/** Σ left[i,r,·] · right[r,j] with the kernel kept: left [rows, inner, area] → [rows, columns, area]. */
export function multiplyChannels(
  left: Float32Array,
  right: Float32Array,
  inner: number,
  area: number,
): Float32Array {
  const [rows, columns] = [left.length / (inner * area), right.length / inner];
  const result = new Float32Array(rows * columns * area);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++)
      for (let k = 0; k < area; k++) {
        let sum = 0;
        for (let r = 0; r < inner; r++) sum += left[(i * inner + r) * area + k]! * right[r * columns + j]!;
        result[(i * columns + j) * area + k] = sum;
      }
  return result;
}

/** Σ core[i,·] · right[·,j] with the kernel kept: core [p, r, area] and right [r, columns] → [p, columns, area]. */
export function multiplyCore(core: Float32Array, right: Float32Array, p: number, r: number): Float32Array {
  const [area, columns] = [core.length / (p * r), right.length / r];
  const result = new Float32Array(p * columns * area);
  for (let i = 0; i < p; i++)
    for (let c = 0; c < columns; c++)
      for (let k = 0; k < area; k++) {
        let sum = 0;
        for (let j = 0; j < r; j++) sum += core[(i * r + j) * area + k]! * right[j * columns + c]!;
        result[(i * columns + c) * area + k] = sum;
      }
  return result;
}

/** Σ core[i,j,·] · left[i,p] · right[j,q]: core [i, j, area] → [p, q, area]. */
export function tucker(
  core: Float32Array,
  left: Float32Array,
  right: Float32Array,
  ranks: readonly [i: number, j: number],
): Float32Array {
  const [first, second] = ranks;
  const [rows, columns] = [left.length / first, right.length / second];
  const area = core.length / (first * second);
  const result = new Float32Array(rows * columns * area);
  for (let p = 0; p < rows; p++)
    for (let q = 0; q < columns; q++)
      for (let k = 0; k < area; k++) {
        let sum = 0;
        for (let i = 0; i < first; i++)
          for (let j = 0; j < second; j++)
            sum += core[(i * second + j) * area + k]! * left[i * rows + p]! * right[j * columns + q]!;
        result[(p * columns + q) * area + k] = sum;
      }
  return result;
}
