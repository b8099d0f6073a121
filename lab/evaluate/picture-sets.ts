/** @file What single pictures can't tell: how sharp all pictures of a source are, and how far from real ones as a set. */
import { frechetDistance } from './frechet-distance.ts';
import { gradientEnergy } from './gradient-energy.ts';

/** Compared with the real pictures of the same prompts. */
export interface PictureSetFigures {
  /** Their gradient energy divided by that of the real pictures: 1 is as sharp. */
  readonly sharpness: number;
  /** Fréchet distance in the concept classifier's features. */
  readonly frechet: number;
}

/** Collects what the figures need of each picture, so that no picture has to stay in memory. */
export class PictureSet {
  readonly #energies: number[] = [];
  readonly #features: Float32Array[] = [];

  /** @param picture [3, size, size] in [-1, 1] @param features of a fixed length */
  add(picture: Float32Array, size: number, features: Float32Array): void {
    this.#energies.push(gradientEnergy(picture, size));
    this.#features.push(features);
  }

  /** Null with fewer than two pictures in either set, which have no spread. */
  comparedWith(real: PictureSet): PictureSetFigures | null {
    if (this.#features.length < 2 || real.#features.length < 2) return null;
    return {
      sharpness: this.#energy() / real.#energy(),
      frechet: frechetDistance(this.#features, real.#features),
    };
  }

  /** Mean of a picture's energy. */
  #energy(): number {
    return this.#energies.reduce((sum, energy) => sum + energy, 0) / this.#energies.length;
  }
}
