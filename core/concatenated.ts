/** All arrays, one after the other. */
export function concatenated(parts: readonly Float32Array[]): Float32Array {
  const joined = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  parts.reduce((offset, part) => {
    joined.set(part, offset);
    return offset + part.length;
  }, 0);
  return joined;
}

/** The same array so many times. */
export const repeated = (values: Float32Array, times: number): Float32Array =>
  concatenated(Array<Float32Array>(times).fill(values));
