/** @file What a measurement is given, and what it gives back. */
import type { BestProduct } from './product.ts';
import type { Row } from './report.ts';

export interface Context {
  /** Model folder. */
  readonly model: string;
  /** Few repetitions, only to see that everything works. */
  readonly quick: boolean;
  /** Empty, removed afterwards. */
  readonly folder: string;
  /** The best matrix product, to which rates are compared. */
  readonly reference: BestProduct | null;
}

export interface Measured {
  readonly rows: readonly Row[];
  /** The best matrix product, from the measurement that looks for it. */
  readonly reference?: BestProduct;
}
