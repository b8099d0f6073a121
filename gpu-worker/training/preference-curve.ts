/** @file The curves of a refinement: sums over the steps since the last point, from which the next one is made. */
import type { PairFigures, PreferencePoint } from './refine-options.ts';

/** What a micro-batch says of its pairs. */
export interface PairResults {
  /** Of each pair. */
  readonly margins: Float32Array;
  readonly weights: Float32Array;
  readonly loss: number;
  readonly photoLoss: number;
}

/** What a run resumes its curves with. */
export interface CurveState {
  readonly points: readonly PreferencePoint[];
  readonly sums: Sums;
}

type Sums = Readonly<Record<'batches' | 'loss' | 'photoLoss' | 'weight' | 'margin' | 'right', number>>;
export const NO_SUMS: Sums = { batches: 0, loss: 0, photoLoss: 0, weight: 0, margin: 0, right: 0 };

/** Points of a run. */
const POINTS = 10;

export class PreferenceCurve {
  readonly #first: number;
  readonly #steps: number;
  readonly #points: PreferencePoint[];
  #sums: Sums;
  /** By micro-batch: a step that is computed again, at another scale of the loss, counts once. */
  readonly #since = new Map<number, PairResults>();

  /** @param first the number of steps before the first with pairs @param state of an earlier attempt */
  constructor(first: number, steps: number, state: CurveState | null) {
    this.#first = first;
    this.#steps = steps;
    this.#points = [...(state?.points ?? [])];
    this.#sums = state?.sums ?? NO_SUMS;
  }

  get points(): readonly PreferencePoint[] {
    return this.#points;
  }

  /** What to resume with after the last step. */
  get state(): CurveState {
    return { points: this.#points, sums: this.#sums };
  }

  add(microBatch: number, results: PairResults): void {
    this.#since.set(microBatch, results);
  }

  /**
   * Counts the step's micro-batches.
   *
   * @param heldOut measures the held-out pairs, where a point is due
   * @returns the point; null where none is due
   */
  async afterStep(step: number, heldOut: () => Promise<PairFigures | null>): Promise<PreferencePoint | null> {
    this.#sums = [...this.#since.values()].reduce(plus, this.#sums);
    this.#since.clear();
    const every = Math.ceil((this.#steps - this.#first) / POINTS);
    const due = step > this.#first && ((step - this.#first) % every === 0 || step === this.#steps);
    const { batches, loss, photoLoss } = this.#sums;
    if (!due || batches === 0) return null;
    const point = {
      step,
      loss: loss / batches,
      photoLoss: photoLoss / batches,
      ...figuresOf(this.#sums),
      heldOut: await heldOut(),
    };
    this.#points.push(point);
    this.#sums = NO_SUMS;
    return point;
  }
}

/** Weighted means over pairs. */
export function pairFigures(results: readonly Pick<PairResults, 'margins' | 'weights'>[]): PairFigures {
  const sums = results.reduce((sum, each) => plus(sum, { ...each, loss: 0, photoLoss: 0 }), NO_SUMS);
  return figuresOf(sums);
}

const figuresOf = ({ weight, margin, right }: Sums): PairFigures => ({
  margin: margin / weight,
  accuracy: right / weight,
});

function plus(sums: Sums, { margins, weights, loss, photoLoss }: PairResults): Sums {
  let [weight, margin, right] = [0, 0, 0];
  for (const [n, each] of margins.entries()) {
    const own = weights[n] ?? 0;
    weight += own;
    margin += own * each;
    right += own * (each > 0 ? 1 : each === 0 ? 0.5 : 0);
  }
  return {
    batches: sums.batches + 1,
    loss: sums.loss + loss,
    photoLoss: sums.photoLoss + photoLoss,
    weight: sums.weight + weight,
    margin: sums.margin + margin,
    right: sums.right + right,
  };
}
