/** @file What every opening of storage takes. */

export interface StorageOptions {
  /** Hears of faults that storage mends by itself, such as a connection that broke; for the log. */
  readonly onError?: (error: Error) => void;
}
