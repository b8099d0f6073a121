/** @file The pictures that a request begins with or is steered by, cut and resized to its size and encoded by its model. */
import { repeated } from '../../core/concatenated.ts';
import { fittedMask, fittedPixels, surrounded } from '../sampling/part-of-picture.ts';
import type { DrawnPicture, PictureStart, StartPicture, TextToImage } from '../sampling/text-to-image.ts';
import type { FromPicture } from './protocol.ts';

interface Size {
  readonly width: number;
  readonly height: number;
}

/** The latents of a picture file at a size, by the painter that `ready` waits for. */
export async function latentsAt(
  png: Uint8Array,
  { width, height }: Size,
  ready: () => Promise<TextToImage>,
): Promise<Float32Array> {
  const pixels = await fittedPixels(png, { width, height });
  return (await ready()).latentsOf({ width, height, pixels });
}

/** A picture to begin with. Where a mask leaves a part as it is, drawn pictures get that part back. */
export class StartingPicture {
  readonly #start: PictureStart;
  readonly #pixels: Uint8Array;
  readonly #mask: Uint8Array | null;

  private constructor(start: PictureStart, pixels: Uint8Array, mask: Uint8Array | null) {
    this.#start = start;
    this.#pixels = pixels;
    this.#mask = mask;
  }

  static async of(
    { png, strength, mask: maskPng }: FromPicture,
    { width, height }: Size,
    ready: () => Promise<TextToImage>,
  ): Promise<StartingPicture> {
    const mask = maskPng === undefined ? null : await fittedMask(maskPng, { width, height });
    const pixels = await fittedPixels(png, { width, height });
    const start = await (await ready()).startFrom({ width, height, pixels }, { strength, mask });
    return new StartingPicture(start, pixels, mask);
  }

  /** Of so many pictures. */
  repeated(count: number): StartPicture {
    return { ...this.#start, latents: repeated(this.#start.latents, count) };
  }

  /** A drawn picture with this one around the part that was drawn anew. */
  around(drawn: DrawnPicture): Promise<DrawnPicture> {
    return this.#mask === null ? Promise.resolve(drawn) : surrounded(drawn, this.#pixels, this.#mask);
  }
}
