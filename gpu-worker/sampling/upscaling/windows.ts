/** @file Windows over a picture that overlap so much that a network without norms computes the same as on all of it. */

export interface Span {
  /** First place of the window. */
  readonly start: number;
  /** Places of which the window's result counts: from, to (excluded). */
  readonly from: number;
  readonly to: number;
}

/**
 * Windows of one length over a line; the last is moved back to the line's end.
 *
 * @param window places of each, at most `length` and more than twice the reach
 * @param reach places beside one on which its result depends
 */
export function windowsOver(length: number, window: number, reach: number): Span[] {
  const spans: Span[] = [];
  for (let from = 0; from < length;) {
    const start = Math.min(Math.max(0, from - reach), length - window);
    const to = start + window === length ? length : start + window - reach;
    spans.push({ start, from, to });
    from = to;
  }
  return spans;
}
