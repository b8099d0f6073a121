/**
 * @file torch.randn's normal numbers on the CPU in fp32, to within rounding (1e-6), so that a seed starts from the same
 * noise here as in diffusers. Mersenne Twister (Matsumoto and Nishimura, 1998) and Box–Muller, in the order of torch's
 * ATen/native/cpu/DistributionTemplates.h.
 */
import { at } from '../../core/at.ts';
const STATE = 624;
const MIDDLE = 397;
/** 2π as fp32 holds it. */
const TWO_PI = Math.fround(2 * Math.PI);

/** torch.Generator('cpu').manual_seed(seed). */
export class TorchGenerator {
  readonly #state = new Uint32Array(STATE);
  #next = STATE;
  /** Second number of a pair for a small tensor, kept for the next small tensor as in torch. */
  #spare: number | null = null;

  /** @param seed whole number from 0 to 2⁵³; torch uses its low 32 bits */
  constructor(seed: number) {
    let last = Number(BigInt.asUintN(32, BigInt(seed)));
    this.#state[0] = last;
    for (let i = 1; i < STATE; i++) {
      last = (Math.imul(1812433253, last ^ (last >>> 30)) + i) >>> 0;
      this.#state[i] = last;
    }
  }

  /** torch.randn of a tensor with `count` elements. Two calls don't equal one call of twice the size. */
  randn(count: number): Float32Array {
    const out = new Float32Array(count);
    if (count < 16) for (let i = 0; i < count; i++) out[i] = this.#normal();
    else this.#fill(out);
    return out;
  }

  /**
   * From 16 elements: uniforms first, then converted to normals in groups of 16; the last group overlaps for a
   * remainder.
   */
  #fill(out: Float32Array): void {
    for (let i = 0; i < out.length; i++) out[i] = this.#uniform();
    for (let i = 0; i + 16 <= out.length; i += 16) boxMuller(out, i);
    if (out.length % 16 === 0) return;
    const start = out.length - 16;
    for (let i = start; i < out.length; i++) out[i] = this.#uniform();
    boxMuller(out, start);
  }

  /** Below 16 elements: one at a time, in double precision. */
  #normal(): number {
    if (this.#spare !== null) {
      const spare = this.#spare;
      this.#spare = null;
      return spare;
    }
    const angle = 2 * Math.PI * this.#uniformDouble();
    const radius = Math.sqrt(-2 * Math.log1p(-this.#uniformDouble()));
    this.#spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  /** [0, 1) with 24 bits. */
  #uniform(): number {
    return (this.#word() & 0xffffff) / 2 ** 24;
  }

  /** [0, 1) with 53 bits. */
  #uniformDouble(): number {
    const high = this.#word() & 0x1fffff;
    return (high * 2 ** 32 + this.#word()) / 2 ** 53;
  }

  #word(): number {
    if (this.#next === STATE) this.#twist();
    let y = at(this.#state, this.#next++);
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  #twist(): void {
    const s = this.#state;
    for (let i = 0; i < STATE; i++) {
      const mixed = (at(s, i) & 0x80000000) | (at(s, (i + 1) % STATE) & 0x7fffffff);
      s[i] = at(s, (i + MIDDLE) % STATE) ^ (mixed >>> 1) ^ (mixed & 1 ? 0x9908b0df : 0);
    }
    this.#next = 0;
  }
}

/** Converts the 16 uniforms from `start` to normals: the first eight give radii, the last eight angles, in fp32. */
function boxMuller(values: Float32Array, start: number): void {
  const f = Math.fround;
  for (let i = start; i < start + 8; i++) {
    const radius = f(Math.sqrt(f(-2 * f(Math.log(1 - at(values, i))))));
    const angle = f(TWO_PI * at(values, i + 8));
    values[i] = radius * f(Math.cos(angle));
    values[i + 8] = radius * f(Math.sin(angle));
  }
}
