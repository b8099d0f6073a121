/** What the chat says of the worker's computer, and the report that is kept for it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { keepDeviceCheck, keptDeviceCheck, keptDeviceChecks } from '../../core/device-checks.ts';
import { runtimeVersion, version } from '../../core/package.ts';
import {
  describeCheck,
  describeComputer,
  pictureTime,
  type Computer,
  type DeviceCheck,
} from '../../core/settings/computer.ts';
import { DEFAULT_SETTINGS } from '../../core/settings/defaults.ts';
import type { ModelCard } from '../../core/settings/model-card.ts';

const CHECK: DeviceCheck = {
  at: '2026-11-30T12:00:00.000Z',
  device: 'cuda',
  hardware: 'NVIDIA Test',
  krona: version,
  onnxruntime: runtimeVersion,
  ok: true,
  speeds: { 'sdxl 1024': { step: 0.25, decoding: 0.5, training: 0.4, basis: 'measured' } },
};
const model = (computer?: Partial<Computer>): ModelCard => ({
  name: 'sdxl-base',
  architecture: 'sdxl',
  nativeSize: 1024,
  sizeMultiple: 8,
  projections: [],
  ...(computer && { computer: { device: 'cuda', check: CHECK, drawnStep: null, ...computer } }),
});
const settings = { ...DEFAULT_SETTINGS, size: null, samplingSteps: 30 };

describe('how long a picture takes', () => {
  it('comes from the check until pictures were drawn', () => {
    expect(pictureTime(model({}), settings)).toBe(
      'About 8 s a picture, measured by `krona device check` on 2026-11-30.',
    );
    expect(pictureTime(model({ drawnStep: 0.5 }), settings)).toBe(
      'About 15 s a picture, measured on the last pictures.',
    );
  });

  it("follows the channel's steps and size", () => {
    expect(pictureTime(model({}), { ...settings, samplingSteps: 10 })).toMatch(/^About 3 s/);
    expect(pictureTime(model({}), { ...settings, size: '2048x1024' })).toMatch(/^About 16 s/);
  });

  it('says that it was computed, or measured with another version', () => {
    const speeds = { 'sdxl 1024': { step: 90, decoding: 60, training: 100, basis: 'computed' } } as const;
    const check = { ...CHECK, speeds, stale: true };
    expect(pictureTime(model({ check }), settings)).toMatch(
      /^About 46 min a picture, computed, not measured, by .*with another version\.$/,
    );
  });

  it('is not guessed where nobody knows', () => {
    expect(pictureTime(model(), settings)).toBeNull();
    expect(pictureTime(model({ check: null }), settings)).toBeNull();
    expect(pictureTime({ ...model({}), nativeSize: 64 }, settings)).toBeNull();
  });
});

it('moderators read the device, the last pictures and the check', () => {
  expect(describeComputer(null)).toMatch(/^No worker/);
  expect(describeComputer(model({ check: null }))).toMatch(/runs on cuda\..*has not run here/);
  const text = describeComputer(model({ drawnStep: 0.5 }));
  expect(text).toMatch(/sdxl-base runs on cuda\. 0\.5 s a sampling step/);
  expect(text).toMatch(/NVIDIA Test \(cuda\), checked on 2026-11-30\. sdxl 1024²: 0\.25 s a sampling step/);
  expect(describeCheck({ ...CHECK, ok: false })).toContain('The check failed.');
});

describe('the kept report', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'krona-checks-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('is the last of each device, the newest first', async () => {
    await keepDeviceCheck(folder, { ...CHECK, hardware: 'an older one' });
    await keepDeviceCheck(folder, CHECK);
    await keepDeviceCheck(folder, { ...CHECK, device: 'cpu', at: '2026-12-01T00:00:00.000Z' });
    const kept = await keptDeviceChecks(folder);
    expect(kept.map(({ device }) => device)).toEqual(['cpu', 'cuda']);
    expect(kept[1]).toEqual({ ...CHECK, stale: false });
    expect(await keptDeviceCheck(folder, 'webgpu')).toBeNull();
  });

  it.each(['krona', 'onnxruntime'])('is stale after an update of %s', async (program) => {
    await keepDeviceCheck(folder, { ...CHECK, [program]: '0.0.1' });
    expect(await keptDeviceCheck(folder, 'cuda')).toMatchObject({ stale: true });
    expect(describeCheck((await keptDeviceCheck(folder, 'cuda'))!)).toContain('stale');
  });

  it('counts as none where it is missing or damaged', async () => {
    expect(await keptDeviceChecks(folder)).toEqual([]);
    await keepDeviceCheck(folder, CHECK);
    await writeFile(join(folder, 'device-checks/cuda.json'), '{"device":');
    expect(await keptDeviceChecks(folder)).toEqual([]);
  });
});
