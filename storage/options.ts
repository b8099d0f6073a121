/** @file Options that everything in storage takes when it opens. */

export interface StorageOptions {
  /** Receives faults that storage recovers from, such as a lost connection; for the log. */
  readonly onError?: (error: Error) => void;
}
