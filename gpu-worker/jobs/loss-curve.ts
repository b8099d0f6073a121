/** @file A run's losses as its message shows them: the mean of each stretch of steps, at most 200 points. */
import type { Run } from '../../core/records.ts';

const MAX_POINTS = 200;

type Points = Run['losses'];

export class LossCurve {
  readonly #stretch: number;
  #points: readonly { readonly step: number; readonly loss: number }[];

  /**
   * @param steps of the whole run
   * @param earlier points of a resumed run
   */
  constructor(steps: number, earlier: Points = []) {
    this.#stretch = Math.ceil(steps / MAX_POINTS);
    this.#points = earlier;
  }

  get points(): Points {
    return this.#points;
  }

  /** Adds the loss of a step, from 1. A run that resumes at an earlier step loses the points after it. */
  add(step: number, loss: number): void {
    const begin = Math.floor((step - 1) / this.#stretch) * this.#stretch;
    const before = this.#points.filter((point) => point.step < step);
    const last = before.at(-1);
    if (last === undefined || last.step <= begin) {
      this.#points = [...before, { step, loss }];
      return;
    }
    // The step belongs to the last point, which is the mean of `summed` steps.
    const summed = last.step - begin;
    const mean = last.loss + (loss - last.loss) / (summed + 1);
    this.#points = [...before.slice(0, -1), { step, loss: mean }];
  }
}
