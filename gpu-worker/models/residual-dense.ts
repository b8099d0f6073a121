/**
 * @file ESRGAN-slim of UpscalerJS: a residual dense network (Zhang et al. 2018, arXiv 1802.08797) of two blocks with one layer
 * each, in Keras' layer names (idealo's image-super-resolution, C=1 D=2 G=4 G0=64).
 */
import type { Enlargement } from '../../core/pictures/enlarged-size.ts';
import * as op from '../graph/ops.ts';
import { sideOf, sidesOf } from '../graph/shapes.ts';
import type { Tensor } from '../graph/tensor.ts';
import { conv } from './layers.ts';
import type { Parameters } from './parameters.ts';

/** G0, G and channels of the two layers before the picture is enlarged. */
const [WIDE, GROWTH, FIRST, SECOND] = [64, 4, 64, 32];

/** Pixels around a pixel of the picture on which its enlargement depends: half of all windows, added up. */
export const REACH = 10;

const relu = (x: Tensor): Tensor => op.max(x, 0);

/** x [1,3,H,W] → [1,3,scale·H,scale·W], both from 0 to 255; results are not clamped. */
export function residualDense(p: Parameters, pictures: Tensor, scale: Enlargement): Tensor {
  const pointwise = { kernel: 1, padding: 0 };
  const shallow = conv(p, 'F_m1', pictures, WIDE);
  let x = conv(p, 'F_0', shallow, WIDE);
  const blocks = [1, 2].map((block) => {
    const grown = op.concat([x, relu(conv(p, `F_${block}_1`, x, GROWTH))], 1);
    x = op.add(conv(p, `LFF_${block}`, grown, WIDE, pointwise), x);
    return x;
  });
  const fused = conv(p, 'GFF_2', conv(p, 'GFF_1', op.concat(blocks, 1), WIDE, pointwise), WIDE);
  let y = relu(conv(p, 'UPN1', op.add(fused, shallow), FIRST, { kernel: 5, padding: 2 }));
  y = relu(conv(p, 'UPN2', y, SECOND));
  y = conv(p, 'UPN3', y, 3 * scale ** 2);
  for (let side = 1; side < scale; side *= 2) {
    const [, , height, width] = sidesOf(y, 4);
    y = op.upsampleNearest(y, 2 * height, 2 * width);
  }
  return conv(p, 'SR', y, sideOf(pictures, 1));
}
