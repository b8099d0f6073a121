/** @file Which training drawings two things next to or above each other are nearest to, each in its own place. */
import { Judge } from '../pretrain/judge.ts';
import { pairMiddles, type TrainingArt } from '../pretrain/sampler.ts';
import { partAround } from './judges.ts';

export class PairJudge {
  readonly #side: number;
  readonly #half: number;
  readonly #judge: Judge;

  constructor(art: TrainingArt) {
    this.#side = art.data.size;
    this.#half = art.data.size / 2;
    // In a pair either thing is drawn as a single one is in a picture of half the side.
    this.#judge = new Judge({ ...art, data: { ...art.data, size: this.#half } });
  }

  /**
   * Whether the nearest drawings in both places are of two concepts; which is where is not asked.
   *
   * @param picture [3, size, size] in [-1, 1]
   * @param background index of the one that was asked for
   */
  showsBoth(
    picture: Float32Array,
    background: number,
    [a, b]: readonly [number, number],
    relation: keyof typeof pairMiddles,
  ): boolean {
    const [first, second] = pairMiddles[relation].map(([x, y]) => {
      const { left, top } = partAround(this.#side, x, y, this.#half);
      return this.#judge.conceptsIn(this.#part(picture, left, top), background)[0]!;
    });
    return (first === a && second === b) || (first === b && second === a);
  }

  #part(picture: Float32Array, left: number, top: number): Float32Array {
    const [side, half] = [this.#side, this.#half];
    const part = new Float32Array(3 * half * half);
    for (let row = 0; row < 3 * half; row++) {
      const [channel, y] = [Math.floor(row / half), row % half];
      const from = (channel * side + top + y) * side + left;
      part.set(picture.subarray(from, from + half), row * half);
    }
    return part;
  }
}
