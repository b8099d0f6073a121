/** @file RGB pictures as bytes, rows from the top, and as the numbers that models read and write. */

/** Interleaved bytes as planes [3,H,W] in [-1,1]. */
export function fromBytes(bytes: Uint8Array): Float32Array {
  const area = bytes.length / 3;
  const picture = new Float32Array(bytes.length);
  for (let i = 0; i < area; i++)
    for (let c = 0; c < 3; c++) picture[c * area + i] = bytes[3 * i + c]! / 127.5 - 1;
  return picture;
}

/** Planes [3,H,W] around [-1,1] as interleaved bytes, rounded as diffusers does; values outside are clamped. */
export function toBytes(picture: Float32Array): Uint8Array<ArrayBuffer> {
  const area = picture.length / 3;
  const bytes = new Uint8Array(picture.length);
  for (let i = 0; i < area; i++) {
    for (let c = 0; c < 3; c++) {
      const unit = Math.min(1, Math.max(0, picture[c * area + i]! / 2 + 0.5));
      bytes[3 * i + c] = Math.round(unit * 255);
    }
  }
  return bytes;
}
