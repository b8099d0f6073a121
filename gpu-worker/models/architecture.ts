/** @file The supported model architectures, and their differences apart from sizes. */

/**
 * `sd1`: Stable Diffusion 1.x; `sd2`: 2.x, base and 768-v; `sdxl`: SDXL base (arXiv 2307.01952) and models with the
 * same parts; `sdxl-refiner`: SDXL's second model, which has only OpenCLIP and reads an aesthetic score.
 */
export type Architecture = 'sd1' | 'sd2' | 'sdxl' | 'sdxl-refiner';

export interface ArchitectureFacts {
  /** Name for messages. */
  readonly label: string;
  /** The text encoder states that the UNet reads: after the last layer and norm, or before the last layer. */
  readonly textStates: 'last' | 'penultimate';
  /**
   * Numbers about a picture that the UNet reads besides its text (`time_ids` in diffusers): original height and width,
   * top and left of the crop, then target height and width (6), or an aesthetic score (5). 0: none.
   */
  readonly timeIds: 0 | 5 | 6;
}

export const ARCHITECTURES: Readonly<Record<Architecture, ArchitectureFacts>> = {
  sd1: { label: 'Stable Diffusion 1.x', textStates: 'last', timeIds: 0 },
  // OpenCLIP-H without its last layer: folders and files omit that layer, so the rest is read to its end.
  sd2: { label: 'Stable Diffusion 2.x', textStates: 'last', timeIds: 0 },
  sdxl: { label: 'SDXL', textStates: 'penultimate', timeIds: 6 },
  'sdxl-refiner': { label: 'SDXL refiner', textStates: 'penultimate', timeIds: 5 },
};

/** The refiner's aesthetic scores of the prompt and of the negative prompt, out of 10: diffusers' defaults. */
const AESTHETIC_SCORE = 6;
const NEGATIVE_AESTHETIC_SCORE = 2.5;

/** Original height and width, top and left of the crop, target height and width; pixels. */
export type PictureSizes = readonly [number, number, number, number, number, number];

/** The numbers about a picture that the UNet reads: `ArchitectureFacts.timeIds` of them. */
export function timeIds(architecture: Architecture, sizes: PictureSizes, wanted = true): number[] {
  switch (ARCHITECTURES[architecture].timeIds) {
    case 0:
      return [];
    case 5:
      return [...sizes.slice(0, 4), wanted ? AESTHETIC_SCORE : NEGATIVE_AESTHETIC_SCORE];
    case 6:
      return [...sizes];
  }
}
