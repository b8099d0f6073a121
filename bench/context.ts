/** @file The input and output of a measurement. */
import type { BestProduct } from './product.ts';
import type { Row } from './report.ts';

export interface Context {
  /** Model folder. */
  readonly model: string;
  /** Few repetitions, as a smoke test. */
  readonly quick: boolean;
  /** Empty, removed afterwards. */
  readonly folder: string;
  /** The rate of the best matrix product, which other rates are compared with. */
  readonly reference: BestProduct | null;
}

export interface Measured {
  readonly rows: readonly Row[];
  /** Set only by the measurement of the best matrix product. */
  readonly reference?: BestProduct;
}
