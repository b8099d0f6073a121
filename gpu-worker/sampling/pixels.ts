/** @file Pictures as bytes and as the numbers that the VAE reads and writes. */

/** Interleaved bytes to [3,H,W] in [-1,1]. */
export function fromBytes(pixels: Uint8Array, area: number): Float32Array {
  const picture = new Float32Array(3 * area);
  pixels.forEach((byte, i) => {
    picture[(i % 3) * area + Math.floor(i / 3)] = byte / 127.5 - 1;
  });
  return picture;
}

/** [3,H,W] around [-1,1] to interleaved bytes, rounded as diffusers does. */
export function toBytes(picture: Float32Array, area: number): Uint8Array {
  const bytes = new Uint8Array(3 * area);
  picture.forEach((value, i) => {
    const unit = Math.min(1, Math.max(0, value / 2 + 0.5));
    bytes[3 * (i % area) + Math.floor(i / area)] = Math.round(unit * 255);
  });
  return bytes;
}
