/**
 * @file The last report of `krona device check` for each device, kept in the data folder (device-checks/<device>.json):
 * how fast this computer is with models of known sizes.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Device } from './config.ts';
import { readFileIfAny, writeWhole } from './files.ts';
import { runtimeVersion, version } from './package.ts';
import type { DeviceCheck } from './settings/computer.ts';

const FOLDER = 'device-checks';

/** @throws KronaError FILE_UNWRITABLE */
export const keepDeviceCheck = (dataFolder: string, check: DeviceCheck): Promise<void> =>
  writeWhole(join(dataFolder, FOLDER, `${check.device}.json`), JSON.stringify(check, null, 2));

/** The newest first; without those that can't be read. */
export async function keptDeviceChecks(dataFolder: string): Promise<DeviceCheck[]> {
  const folder = join(dataFolder, FOLDER);
  const names = await readdir(folder).catch((): string[] => []);
  const checks: DeviceCheck[] = [];
  for (const name of names.filter((each) => each.endsWith('.json'))) {
    try {
      const check = JSON.parse((await readFileIfAny(join(folder, name))) ?? '') as DeviceCheck;
      if (name === `${check.device}.json`) checks.push({ ...check, stale: isStale(check) });
    } catch {
      // Of no use, and the next check replaces it.
    }
  }
  return checks.sort((a, b) => b.at.localeCompare(a.at));
}

/** @returns null if this device has not been checked */
export async function keptDeviceCheck(dataFolder: string, device: Device): Promise<DeviceCheck | null> {
  return (await keptDeviceChecks(dataFolder)).find((check) => check.device === device) ?? null;
}

/** Another version of Krona or of the runtime can be faster or slower. */
const isStale = ({ krona, onnxruntime }: DeviceCheck): boolean =>
  krona !== version || onnxruntime !== runtimeVersion;
