/** @file The two table rows of a training step: its work, its time, and the matrix product measured beside it. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Session, type Feeds } from '../gpu-worker/graph/runtime.ts';
import type { Context } from './context.ts';
import type { CountedProgram } from './counted-program.ts';
import { Product, type BestProduct } from './product.ts';
import { readProfile } from './profile.ts';
import { median, short, type Row } from './report.ts';

/** Steps between two measurements of the matrix product. */
const BURST = 5;
/** The runtime's threads spin for a while after a run and would take a core from the next one, ms. */
const SPINNING = 100;

/** Times steps of a real training loop, pausing it now and then to time the matrix product. */
export class StepClock {
  /** Seconds of each step, except the first of each burst, which runs after an idle pause. */
  readonly seconds: number[] = [];
  readonly #reference: BestProduct;
  readonly #product: Product;
  readonly #rates: number[] = [];
  #steps = 0;
  #began = 0;

  private constructor(reference: BestProduct, product: Product) {
    this.#reference = reference;
    this.#product = product;
  }

  static async create({ reference }: Context): Promise<StepClock> {
    if (reference === null) throw new Error('the best matrix product must be measured first');
    return new StepClock(reference, await Product.create(reference.shape));
  }

  /** Called right before a step. */
  async begin(): Promise<void> {
    if (this.#steps % (BURST + 1) === 0) {
      await sleep(SPINNING);
      const looks = [await this.#product.rate(), await this.#product.rate(), await this.#product.rate()];
      this.#rates.push(Math.max(...looks));
      await sleep(SPINNING);
    }
    this.#began = performance.now();
  }

  /** Called right after a step. */
  end(): void {
    if (this.#steps++ % (BURST + 1) !== 0) this.seconds.push((performance.now() - this.#began) / 1000);
  }

  /**
   * Rate of the matrix product, operations per second: the one beside these steps, or the earlier one if that was
   * higher.
   */
  get best(): number {
    return Math.max(this.#reference.rate, median(this.#rates));
  }

  release(): Promise<void> {
    return this.#product.release();
  }
}

/** Seconds that each run of a program spends in convolutions and matrix products, by the runtime's profile. */
export async function productSeconds(
  { program }: CountedProgram,
  feeds: Feeds,
  runs: number,
  clock: StepClock,
  { folder }: Context,
): Promise<number[]> {
  const profilePrefix = join(folder, 'profile');
  const session = await Session.create(program, { profilePrefix });
  const warmUp = 2;
  for (let i = 0; i < warmUp; i++) await session.run(feeds);
  for (let i = 0; i < runs; i++) {
    await clock.begin();
    await session.run(feeds);
    clock.end();
  }
  session.endProfiling();
  await session.release();
  return (await readProfile(profilePrefix)).slice(warmUp).map(({ products }) => products);
}

/** Seconds of several runs, and the rate of the best matrix product at that time. */
interface Timed {
  readonly seconds: readonly number[];
  readonly best: number;
}

export function stepRows(what: string, flops: number, products: Timed, whole: Timed): Row[] {
  const row = (part: string, goal: number, { seconds, best }: Timed): Row => {
    const time = median(seconds);
    const rates = `${short(flops / time / 1e9)} of ${short(best / 1e9)} GF/s`;
    return {
      what: `${what}: ${part}`,
      value: (100 * flops) / time / best,
      unit: '% of the best product',
      goal: { sign: '≥', value: goal },
      detail: `${short(flops / 1e9)} GFLOP in ${short(1000 * time)} ms: ${rates}`,
      raw: seconds,
      rawUnit: 's',
    };
  };
  return [row('convolutions and products', 50, products), row('whole step', 35, whole)];
}
