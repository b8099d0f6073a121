/** @file Judges pairs: which training drawings two subjects, side by side or one above the other, are nearest to. */
import { at } from '../../core/at.ts';
import { Judge } from '../pretrain/judge.ts';
import { pairMiddles } from '../pretrain/layouts.ts';
import type { TrainingArt } from '../pretrain/sampler.ts';
import { CLASSIFIER_SIDE, classifierView } from './classifier.ts';
import { partAround } from './judges.ts';

export class PairJudge {
  readonly #side: number;
  readonly #judge: Judge;

  constructor(art: TrainingArt) {
    this.#side = art.data.size;
    // In a pair, each subject is drawn like a single one in a picture of half the side.
    this.#judge = new Judge({ ...art, data: { ...art.data, size: CLASSIFIER_SIDE } });
  }

  /**
   * Whether the nearest drawings at the two positions are the two concepts, in either order.
   *
   * @param picture [3, size, size] in [-1, 1]
   * @param background index of the requested one
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
