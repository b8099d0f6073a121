/** @file `--device`: what a command computes on. */
import type { Option } from 'commander';
import { chooseDevice, useDevice } from '../gpu-worker/graph/device.ts';
import { tryDevice } from '../gpu-worker/graph/runtime.ts';
import { DEVICES, readDevice, type Device } from '../core/config.ts';
import { checked } from './options.ts';

export function deviceOption(): Option {
  const data = { name: 'device', description: 'What to compute on', type: 'text', choices: DEVICES } as const;
  return checked('--device <name>', data, 'KRONA_DEVICE, or cuda where it is there, else cpu');
}

/**
 * Before the first session.
 * @returns what is computed on, in one line
 * @throws KronaError DEVICE_UNAVAILABLE, KRONA_DEVICE_INVALID
 */
export async function prepareDevice(asked?: Device): Promise<string> {
  const { device, notice } = await chooseDevice(asked ?? readDevice(), tryDevice);
  useDevice(device);
  return notice ?? `Computing on ${device}.`;
}
