/**
 * @file Sine and cosine by sums and products, for devices whose own are off by 2e-4 (Vulkan allows 2^-11), which timestep
 * embeddings show in every gradient. Reduced to [-π/2, π/2] (Cody and Waite 1980), then Taylor's series up to r¹³, whose
 * rest is below 1e-9.
 */
import type { Emitter } from './onnx-rules.ts';

/** π in three parts: multiples of the first two by up to 2^12, halves too, are exact in float32. */
const PI = [3.140625, 9.67502593994140625e-4, 1.509957990978376e-7] as const;
/** 1/13!, -1/11!, …, -1/3! */
const SERIES = [1 / 6_227_020_800, -1 / 39_916_800, 1 / 362_880, -1 / 5040, 1 / 120, -1 / 6];

/**
 * Emits sin(x) or cos(x) of float32 values, off by at most 2e-7 up to 8,000 in size: timesteps, and sides of photos.
 *
 * With n the nearest integer to x/π, sin x = (-1)ⁿ sin(x - nπ). With n = floor(x/π), cos x = -(-1)ⁿ sin(x - (n + ½)π).
 */
export function emitSine(emit: Emitter, x: string, of: 'sin' | 'cos'): string {
  const number = (value: number) => emit.floats([value], [], 'float32');
  const add = (a: string, b: string) => emit.node('Add', [a, b]);
  const mul = (a: string, b: string) => emit.node('Mul', [a, b]);
  const turns = mul(x, number(1 / Math.PI));
  const n = emit.node('Floor', [of === 'sin' ? add(turns, number(0.5)) : turns]);
  const halfTurns = of === 'sin' ? n : add(n, number(0.5));
  const r = PI.reduce((rest, part) => emit.node('Sub', [rest, mul(halfTurns, number(part))]), x);
  const square = mul(r, r);
  const [first = 0, ...others] = SERIES;
  const series = others.reduce((sum, term) => add(mul(sum, square), number(term)), number(first));
  const sine = add(r, mul(mul(r, square), series));
  // n is odd if it is larger than the even number below it.
  const odd = emit.node('Sub', [n, mul(emit.node('Floor', [mul(n, number(0.5))]), number(2))]);
  const [whenEven, change] = of === 'sin' ? [1, -2] : [-1, 2];
  return mul(sine, add(mul(odd, number(change)), number(whenEven)));
}
