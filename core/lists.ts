/** @file Elements of lists that must have them: a clear error in place of an undefined that travels on. */

/** The element at `index`; negative ones count from the end. @throws RangeError when there is none */
export function at<T>(list: readonly T[], index: number): T {
  const element = list.at(index);
  if (element === undefined) throw new RangeError(`a list of ${list.length} has no element ${index}`);
  return element;
}

/** A list that is not empty. @throws RangeError when it is */
export function atLeastOne<T>([first, ...more]: readonly T[]): [T, ...T[]] {
  if (first === undefined) throw new RangeError('the list is empty');
  return [first, ...more];
}
