/** @file What a UNet for inpainting reads beside the noisy latents: the mask, and the picture without the part. */

export class InpaintingChannels {
  readonly #mask: ArrayLike<number>;
  readonly #latents: Float32Array;

  /**
   * @param mask 1 where latents are drawn anew, [h,w]
   * @param latents of the picture without the part, [C,h,w], scaled
   */
  constructor(mask: ArrayLike<number>, latents: Float32Array) {
    this.#mask = mask;
    this.#latents = latents;
  }

  /** Where everything is drawn anew. @param latents of a grey picture, [C,h,w], scaled @param area h·w */
  static everywhere(latents: Float32Array, area: number): InpaintingChannels {
    return new InpaintingChannels(new Uint8Array(area).fill(1), latents);
  }

  /** The rows of latents [rows,C,h,w], each with these channels after its own: [rows,2·C+1,h,w]. */
  after(latents: Float32Array, rows: number): Float32Array {
    const own = latents.length / rows;
    const each = own + this.#mask.length + this.#latents.length;
    const all = new Float32Array(rows * each);
    for (let row = 0; row < rows; row++) {
      all.set(latents.subarray(row * own, (row + 1) * own), row * each);
      all.set(this.#mask, row * each + own);
      all.set(this.#latents, row * each + own + this.#mask.length);
    }
    return all;
  }
}
