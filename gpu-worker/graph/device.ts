/**
 * @file What this process computes on. A process holds one device for its life, as the engine process holds one GPU:
 * it is chosen once, before the first session.
 */
import type { Device } from '../../core/config.ts';
import { KronaError } from '../../core/errors.ts';
import type { Precision } from './compile.ts';

/** Whether a session of one operator runs on a device; the reason where it does not. */
export type Trial = (device: Device) => Promise<string | null>;

export interface ChosenDevice {
  readonly device: Device;
  /** One line for the log where no GPU is used though none was refused; null otherwise. */
  readonly notice: string | null;
}

/**
 * The device asked for, or CUDA where it is there, else the CPU. WebGPU is taken only when asked for.
 *
 * @throws KronaError DEVICE_UNAVAILABLE when the one asked for does not work here
 */
export async function chooseDevice(asked: Device | null, trial: Trial): Promise<ChosenDevice> {
  if (asked === null) {
    const reason = await trial('cuda');
    if (reason === null) return { device: 'cuda', notice: null };
    return {
      device: 'cpu',
      notice: `Computing on the CPU: CUDA is not there (${reason}); docs/gpu.md says how to install it.`,
    };
  }
  const reason = asked === 'cpu' ? null : await trial(asked);
  if (reason === null) return { device: asked, notice: null };
  throw new KronaError(
    'DEVICE_UNAVAILABLE',
    `The device ${asked} was asked for, but does not work here (${reason}); see docs/gpu.md, or ask for cpu.`,
  );
}

let current: Device = 'cpu';

/** The device of every session that is opened from now on. */
export function useDevice(device: Device): void {
  current = device;
}

export const currentDevice = (): Device => current;

/** What programs are compiled for: the CPU has no 16-bit kernels, GPUs are fastest and hold most with them. */
export const devicePrecision = (): Precision => (current === 'cpu' ? 'float32' : 'float16');
