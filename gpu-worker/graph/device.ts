/**
 * @file The device that this process computes on. It is chosen once, before the first session, as the engine process
 * holds one GPU.
 */
import type { Device } from '../../core/config.ts';
import { KronaError } from '../../core/errors.ts';
import type { Precision } from './compile.ts';

/** Tries a session of one operator on a device. Returns null when it runs, else the reason. */
export type Trial = (device: Device) => Promise<string | null>;

export interface ChosenDevice {
  readonly device: Device;
  /** A line for the log when no GPU was found; null otherwise. */
  readonly notice: string | null;
}

/**
 * Chooses the device that was asked for; without a wish CUDA if it works, else the CPU. WebGPU must be asked for.
 *
 * @throws KronaError DEVICE_UNAVAILABLE when the device that was asked for does not work
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

/** The device of every session that is opened from now on. */
export function useDevice(device: Device): void {
  current = device;
}

export const currentDevice = (): Device => current;

/** The precision to compile for: the CPU has no 16-bit kernels; GPUs are fastest and need least memory with them. */
export const devicePrecision = (): Precision => (current === 'cpu' ? 'float32' : 'float16');
