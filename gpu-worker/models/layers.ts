/** @file The layers that models consist of: each requests its parameters under its module path. */
import * as op from '../graph/ops.ts';
import type { Pads } from '../graph/primitives.ts';
import { sideOf } from '../graph/shapes.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Parameters } from './parameters.ts';

/** x [...,in] → [...,out], plus the adapter's output. */
export function linear(p: Parameters, path: string, x: Tensor, out: number, bias = true): Tensor {
  const weight = p.tensor(`${path}.weight`, [out, sideOf(x, -1)]);
  const y = op.linear(x, weight, bias ? p.tensor(`${path}.bias`, [out]) : undefined);
  const added = p.adapt?.(path, x);
  return added ? op.add(y, added) : y;
}

/**
 * The two halves of `linear`'s outputs, each from a separate product with half of the weight's rows: slicing the result
 * would copy it.
 */
export function linearHalves(p: Parameters, path: string, x: Tensor, out: number): [Tensor, Tensor] {
  const weight = p.tensor(`${path}.weight`, [out, sideOf(x, -1)]);
  const bias = p.tensor(`${path}.bias`, [out]);
  const added = p.adapt?.(path, x);
  const half = (start: number): Tensor => {
    const end = start + out / 2;
    const y = op.linear(x, op.slice(weight, 0, start, end), op.slice(bias, 0, start, end));
    return added ? op.add(y, op.slice(added, added.shape.length - 1, start, end)) : y;
  };
  return [half(0), half(out / 2)];
}

export interface ConvOptions {
  readonly kernel?: number;
  readonly stride?: number;
  readonly padding?: number | Pads;
}

/** x [B,in,H,W] → [B,out,H',W']; 3×3 with padding 1 by default. */
export function conv(p: Parameters, path: string, x: Tensor, out: number, options: ConvOptions = {}): Tensor {
  const { kernel = 3, stride = 1, padding = 1 } = options;
  const weight = p.tensor(`${path}.weight`, [out, sideOf(x, 1), kernel, kernel]);
  return op.conv2d(x, weight, p.tensor(`${path}.bias`, [out]), stride, padding);
}

export function groupNorm(p: Parameters, path: string, x: Tensor, groups: number, eps: number): Tensor {
  const width = [sideOf(x, 1)];
  return op.groupNorm(x, p.tensor(`${path}.weight`, width), p.tensor(`${path}.bias`, width), groups, eps);
}

export function layerNorm(p: Parameters, path: string, x: Tensor, eps: number): Tensor {
  const width = [sideOf(x, -1)];
  return op.layerNorm(x, p.tensor(`${path}.weight`, width), p.tensor(`${path}.bias`, width), eps);
}

/**
 * Sinusoidal embedding of numbers [N] → [N, width] (Ho et al. 2020, arXiv 2006.11239; diffusers' get_timestep_embedding).
 * Frequencies exp(-ln(10000) i / (width/2 - freqShift)); cosines first when `cosFirst` (flip_sin_to_cos).
 */
export function sinusoidal(x: Tensor, width: number, cosFirst: boolean, freqShift: number): Tensor {
  const half = width / 2;
  const frequencies = Float32Array.from({ length: half }, (_, i) =>
    Math.exp((-Math.log(10000) * i) / (half - freqShift)),
  );
  const angles = op.mul(op.reshape(x, [sideOf(x, 0), 1]), op.constant(frequencies, [1, half]));
  const waves = [op.sin(angles), op.cos(angles)];
  return op.concat(cosFirst ? waves.reverse() : waves, 1);
}

/** ResnetBlock2D: norm, SiLU, conv, (time), norm, SiLU, conv, plus x. `time` is SiLU of the time embedding [B,T]. */
export function resnet(
  p: Parameters,
  path: string,
  x: Tensor,
  out: number,
  { groups, eps, time }: { readonly groups: number; readonly eps: number; readonly time?: Tensor },
): Tensor {
  let h = conv(p, `${path}.conv1`, op.silu(groupNorm(p, `${path}.norm1`, x, groups, eps)), out);
  if (time) {
    const shift = linear(p, `${path}.time_emb_proj`, time, out);
    h = op.add(h, op.reshape(shift, [sideOf(x, 0), out, 1, 1]));
  }
  h = conv(p, `${path}.conv2`, op.silu(groupNorm(p, `${path}.norm2`, h, groups, eps)), out);
  const shortcut =
    x.shape[1] === out ? x : conv(p, `${path}.conv_shortcut`, x, out, { kernel: 1, padding: 0 });
  return op.add(shortcut, h);
}
