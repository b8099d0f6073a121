/** @file Tensors in the layouts of Keras and TensorFlow.js, for graphs that have torch's. */
import { at } from '../../core/at.ts';
import { sizeOf } from '../graph/shapes.ts';

export interface StoredNumbers {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** [h,w,in,out] → [out,in,h,w] */
export const CONVOLUTION = [3, 2, 0, 1] as const;

export function transposed({ shape, data }: StoredNumbers, perm: readonly number[]): StoredNumbers {
  const to = perm.map((axis) => at(shape, axis));
  const strides = perm.map((axis) => sizeOf(shape.slice(axis + 1)));
  const steps = to.map((side, axis) => ({ side, stride: at(strides, axis) })).reverse();
  return {
    shape: to,
    data: data.map((_, i) => {
      let [rest, place] = [i, 0];
      for (const { side, stride } of steps) {
        place += (rest % side) * stride;
        rest = Math.floor(rest / side);
      }
      return at(data, place);
    }),
  };
}
