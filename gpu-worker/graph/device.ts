/**
 * @file The device that this process computes on. It is chosen once, before the first session, because the engine
 * process holds one GPU.
 */
import type { Device } from '../../core/config.ts';
import { KronaError } from '../../core/errors.ts';
import { DIALECTS, type Dialect, type Precision } from './dialect.ts';

/** What a trial of a device has found. */
export type Findings =
  | {
      readonly works: true;
      readonly dialect: Dialect;
      /** Bytes of the device that are free, where they are known. */
      readonly memory?: number;
      /** What it can't do as well as others of its kind, in words; empty if nothing. */
      readonly remarks: readonly string[];
    }
  | { readonly works: false; readonly reason: string };

/** What is asked of a machine before its device is chosen. */
export interface DeviceTrials {
  /** Runs small programs on a device and compares the results with the CPU's. */
  examine(device: Device): Promise<Findings>;
  /** Whether a device that works is faster than the CPU: one in software is not. */
  isFast(device: Device): Promise<boolean>;
}

export interface DeviceInUse {
  readonly device: Device;
  readonly dialect: Dialect;
  /** Bytes that programs can take, where they are known. */
  readonly memory?: number;
}

export interface ChosenDevice extends DeviceInUse {
  /** For the log: why it is not a GPU, or what the GPU can't do as well as others; null if there is nothing to say. */
  readonly notice: string | null;
}

const CPU: DeviceInUse = { device: 'cpu', dialect: DIALECTS.cpu };

/**
 * Chooses the requested device; by default CUDA if it works, else WebGPU if it works and is faster than the CPU, else the
 * CPU.
 *
 * @throws KronaError DEVICE_UNAVAILABLE when the requested device doesn't work
 */
export async function chooseDevice(asked: Device | null, trials: DeviceTrials): Promise<ChosenDevice> {
  if (asked === 'cpu') return { ...CPU, notice: null };
  if (asked === null) return chooseBest(trials);
  const findings = await trials.examine(asked);
  if (findings.works) return chosen(asked, findings);
  throw new KronaError(
    'DEVICE_UNAVAILABLE',
    `The device ${asked} does not work here (${findings.reason}). See docs/gpu.md, or use cpu.`,
  );
}

async function chooseBest(trials: DeviceTrials): Promise<ChosenDevice> {
  const cuda = await trials.examine('cuda');
  if (cuda.works) return chosen('cuda', cuda);
  const webgpu = await trials.examine('webgpu');
  if (webgpu.works && (await trials.isFast('webgpu'))) return chosen('webgpu', webgpu);
  const other = webgpu.works ? 'WebGPU is slower here' : `neither does WebGPU (${webgpu.reason})`;
  return {
    ...CPU,
    notice: `Computing on the CPU: CUDA does not work (${cuda.reason}), and ${other}. See docs/gpu.md.`,
  };
}

function chosen(device: Device, { dialect, remarks, memory }: Findings & { works: true }): ChosenDevice {
  const notice = remarks.length === 0 ? null : `Computing on ${device}: ${remarks.join('; ')}.`;
  return { device, dialect, ...(memory !== undefined && { memory }), notice };
}

let current: DeviceInUse = CPU;

/**
 * The device of every session opened from now on, and how programs are written for it.
 *
 * @param memory bytes that programs can take; no limit by default
 */
export function useDevice(
  device: Device,
  dialect: Dialect = DIALECTS[device],
  memory = Number.POSITIVE_INFINITY,
): void {
  current = { device, dialect, memory };
}

/** Values of softmax(q kᵀ) that attention holds at once where memory is short. */
const SMALL_PART = 2 ** 22;

/** Has programs hold less of attention at once from now on, after a run was out of memory. */
export function useSmallerParts(): void {
  const attentionPart = Math.min(current.dialect.attentionPart, SMALL_PART);
  current = { ...current, dialect: { ...current.dialect, attentionPart } };
}

export const currentDevice = (): Device => current.device;
export const currentDialect = (): Dialect => current.dialect;
/** Bytes that programs can take on the device; Infinity where they are not known. */
export const currentMemory = (): number => current.memory ?? Number.POSITIVE_INFINITY;

/** The precision to compile for. @param purpose - `training` for programs with gradients */
export const devicePrecision = (purpose: 'training' | 'drawing'): Precision => current.dialect[purpose];
