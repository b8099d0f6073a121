/**
 * Returns the item at an index that the caller knows to exist; a negative index counts from the end.
 *
 * @throws RangeError if there is no such item, which is a bug in the caller
 */
export function at<T>(list: ArrayLike<T>, index: number): T {
  const item = list[index < 0 ? list.length + index : index];
  if (item === undefined) throw new RangeError(`index ${index} is outside a list of ${list.length}`);
  return item;
}
