/** @file `--device`: the device that a command runs on. */
import type { Option } from 'commander';
import { chooseDevice, useDevice } from '../gpu-worker/graph/device.ts';
import { deviceTrials } from '../gpu-worker/graph/device-trial.ts';
import { DEVICES, readDevice, type Device } from '../core/config.ts';
import { checked } from './options.ts';

export function deviceOption(): Option {
  const data = { description: 'Device to run on', type: 'text', choices: DEVICES } as const;
  return checked('--device <name>', data, 'KRONA_DEVICE; otherwise the best that works');
}

/**
 * Chooses the device. Call before the first session.
 *
 * @returns the device, in one line
 * @throws KronaError DEVICE_UNAVAILABLE, KRONA_DEVICE_INVALID
 */
export async function prepareDevice(asked?: Device): Promise<string> {
  const { device, dialect, memory, notice } = await chooseDevice(asked ?? readDevice(), deviceTrials);
  useDevice(device, dialect, memory);
  return notice ?? `Running on ${device}.`;
}
