/**
 * @file The device that this process computes on. It is chosen once, before the first session, because the engine
 * process holds one GPU.
 */
import type { Device } from '../../core/config.ts';
import { KronaError } from '../../core/errors.ts';
import type { Precision } from './compile.ts';

/** Runs a session of one operator on a device. Returns null if it works, else the reason. */
export type Trial = (device: Device) => Promise<string | null>;

export interface ChosenDevice {
  readonly device: Device;
  /** A line for the log if no GPU was found; null otherwise. */
  readonly notice: string | null;
}

/**
 * Chooses the requested device; by default CUDA if it works, else the CPU. WebGPU is used only on request.
 *
 * @throws KronaError DEVICE_UNAVAILABLE when the requested device doesn't work
 */
export async function chooseDevice(asked: Device | null, trial: Trial): Promise<ChosenDevice> {
  if (asked === null) {
    const reason = await trial('cuda');
    if (reason === null) return { device: 'cuda', notice: null };
    return {
      device: 'cpu',
      notice: `Computing on the CPU, because CUDA is missing (${reason}); see docs/gpu.md to install it.`,
    };
  }
  const reason = asked === 'cpu' ? null : await trial(asked);
  if (reason === null) return { device: asked, notice: null };
  throw new KronaError(
    'DEVICE_UNAVAILABLE',
    `The device ${asked} does not work here (${reason}). See docs/gpu.md, or use cpu.`,
  );
}

let current: Device = 'cpu';

/** The device of every session opened from now on. */
export function useDevice(device: Device): void {
  current = device;
}

export const currentDevice = (): Device => current;

/**
 * The precision to compile for: the CPU has no 16-bit kernels; GPUs are fastest in 16 bits and need the least memory.
 */
export const devicePrecision = (): Precision => (current === 'cpu' ? 'float32' : 'float16');
