/** @file How far the results of two programs are apart, as the trial, the check and the tests of a device measure it. */
/** ‖found − expected‖ / ‖expected‖; NaN where numbers are missing. */
export function relativeError(found: Float32Array = new Float32Array(), expected: Float32Array): number {
  let [difference, size] = [0, 0];
  for (const [i, value] of expected.entries()) {
    difference += ((found[i] ?? NaN) - value) ** 2;
    size += value ** 2;
  }
  return Math.sqrt(difference / size);
}
