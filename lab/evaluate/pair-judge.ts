/** @file Which training drawings two things next to or above each other are nearest to, each in its own place. */
import { at } from '../../core/at.ts';
import { Judge } from '../pretrain/judge.ts';
import { pairMiddles, type TrainingArt } from '../pretrain/sampler.ts';
import { CLASSIFIER_SIDE, classifierView } from './classifier.ts';
import { partAround } from './judges.ts';

export class PairJudge {
  readonly #side: number;
  readonly #judge: Judge;

  constructor(art: TrainingArt) {
    this.#side = art.data.size;
    // In a pair either thing is drawn as a single one is in a picture of half the side.
    this.#judge = new Judge({ ...art, data: { ...art.data, size: CLASSIFIER_SIDE } });
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
      const view = classifierView(picture, this.#side, partAround(this.#side, x, y, this.#side / 2));
      return at(this.#judge.conceptsIn(view, background), 0);
    });
    return (first === a && second === b) || (first === b && second === a);
  }
}
