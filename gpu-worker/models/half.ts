/** @file 16-bit floats (IEEE 754 binary16 and bfloat16) to and from 32-bit ones; Node 20 has no Float16Array. */

const scratch = new Float32Array(1);
const scratchBits = new Uint32Array(scratch.buffer);

/** All 65,536 half values as floats: decoding is one look-up. */
let halfTable: Float32Array | undefined;

/** `to[i]` = the binary16 number with the bits `from[i]`. */
export function decodeHalf(from: Uint16Array, to: Float32Array): void {
  const table = (halfTable ??= Float32Array.from({ length: 65536 }, (_, bits) => halfValue(bits)));
  for (let i = 0; i < from.length; i++) to[i] = table[from[i]!]!;
}

/** `to[i]` = the bfloat16 number with the bits `from[i]`: the upper half of a float's bits. */
export function decodeBrain(from: Uint16Array, to: Float32Array): void {
  const bits = new Uint32Array(to.buffer, to.byteOffset, to.length);
  for (let i = 0; i < from.length; i++) bits[i] = from[i]! << 16;
}

/** The bits of the nearest binary16 numbers, ties to even; beyond 65,504 ± ½ ulp: infinity. */
export function encodeHalf(from: Float32Array): Uint16Array {
  return Uint16Array.from(from, halfBits);
}

/** Whether every number is a binary16 one. */
export function isHalf(values: Float32Array): boolean {
  const rounded = new Float32Array(values.length);
  decodeHalf(encodeHalf(values), rounded);
  return values.every((value, i) => value === rounded[i]);
}

function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

function halfBits(value: number): number {
  scratch[0] = value;
  const bits = scratchBits[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  // 65,520 is half-way between the largest finite number and the next power of two.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // Below 2^-14: multiples of 2^-24, and the product is exact, so only this rounding happens.
    const scaled = Math.abs(value) * 2 ** 24;
    const floor = Math.floor(scaled);
    const rest = scaled - floor;
    return sign | (floor + (rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? 1 : 0));
  }
  // 13 fraction bits are dropped; a carry into the exponent gives the right number.
  const odd = (magnitude >>> 13) & 1;
  return sign | ((magnitude - 0x38000000 + 0xfff + odd) >>> 13);
}
