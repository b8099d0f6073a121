/** @file What `krona doctor` looks at of the engine: the models, and the device. */
import type { Config } from '../../core/config.ts';
import { basename } from 'node:path';
import { chooseDevice } from '../../gpu-worker/graph/device.ts';
import { deviceTrials } from '../../gpu-worker/graph/device-trial.ts';
import { inspectSampling } from '../../gpu-worker/sampling/inspect-sampling.ts';
import { failed, ok, type Finding } from './finding.ts';

export async function lookAtModels({ modelPath, refinerPath }: Config): Promise<Finding[]> {
  const paths = [
    ['model', modelPath] as const,
    ...(refinerPath === null ? [] : [['refiner', refinerPath] as const]),
  ];
  const findings: Finding[] = [];
  for (const [part, path] of paths) {
    const { architecture, problems, ok: fits } = await inspectSampling(path);
    findings.push(
      fits
        ? ok(part, `${basename(path)}, ${architecture ?? 'unknown'}`)
        : failed(part, problems.map(({ code, message }) => `${code}: ${message}`).join(' ')),
    );
  }
  return findings;
}

/** Each kind of device that KRONA_DEVICE names; with several cards, this process sees them all. */
export async function lookAtDevice({ devices }: Config): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const kind of new Set(devices.map((device) => device.kind))) {
    const { device, notice } = await chooseDevice(kind, deviceTrials);
    findings.push(ok('device', notice ?? device));
  }
  return findings;
}
