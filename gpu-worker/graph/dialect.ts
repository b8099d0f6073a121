/** @file How programs are written for a device: in which precision, and with which operators. */
import type { Device } from '../../core/config.ts';

/** The type that a program computes in. float16 has islands of float32 (half-precision.ts). */
export type Precision = 'float32' | 'float16';

export interface Dialect {
  /** Precision of programs with gradients. */
  readonly training: Precision;
  /** Precision of programs without gradients. */
  readonly drawing: Precision;
  /** Whether attention is one operator, which needs no buffer of queries × keys. */
  readonly fusedAttention: boolean;
  /** Whether layer normalization is one operator. */
  readonly fusedLayerNorm: boolean;
  /**
   * Whether norms and softmax of 16-bit values add up in 32 bits inside their operators. Where not, they are put between
   * casts.
   */
  readonly wideSums: boolean;
  /**
   * Whether programs save operators, each of which costs a card a launch: products take batches and transposed operands as
   * they lie (FusedMatMul), and one Split makes all parts of a tensor. The CPU is faster at one large matrix.
   */
  readonly fewLaunches: boolean;
  /** Whether sine and cosine have the digits of float32. */
  readonly exactSine: boolean;
  /**
   * Where `after` waits. `host`: in the shape of a Reshape, which costs no copy, but lies in main memory, so that a device
   * would wait for the processor each time. `device`: in the sum with a zero, which copies the tensor.
   */
  readonly order: 'host' | 'device';
  /** Values of softmax(q kᵀ) that attention holds at once where it is written out, such as in its gradient. */
  readonly attentionPart: number;
}

/** The best that each kind of device is known to do. A trial may find less (device-trial.ts). */
export const DIALECTS: Readonly<Record<Device, Dialect>> = {
  // The CPU has no 16-bit kernels. 8 MiB of softmax fit in a processor's cache.
  cpu: {
    training: 'float32',
    drawing: 'float32',
    fusedAttention: true,
    fusedLayerNorm: true,
    wideSums: false,
    fewLaunches: false,
    exactSine: true,
    order: 'host',
    attentionPart: 2 ** 21,
  },
  // Large parts, because each costs a card several launches.
  cuda: {
    training: 'float16',
    drawing: 'float16',
    fusedAttention: true,
    fusedLayerNorm: true,
    wideSums: true,
    fewLaunches: true,
    exactSine: true,
    order: 'device',
    attentionPart: 2 ** 26,
  },
  // Sums of 16-bit products are kept in 16 bits, too little for gradients. 64 MiB are half of the buffer that every
  // WebGPU device allows (WebGPU, maxStorageBufferBindingSize).
  webgpu: {
    training: 'float32',
    drawing: 'float16',
    fusedAttention: true,
    fusedLayerNorm: true,
    wideSums: false,
    fewLaunches: false,
    exactSine: true,
    order: 'device',
    attentionPart: 2 ** 24,
  },
};
