/** `krona device check`: what a person with a new card runs first, and pastes into an issue. */
import { spawnSync } from 'node:child_process';
import { access, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { keptDeviceChecks } from '../../core/device-checks.ts';
import { embeddedModel } from '../../core/package.ts';
import { parseCards } from '../../cli/device-check/card.ts';
import { checkSizes, checkSteps } from '../../cli/device-check/check-sizes.ts';
import { withRandomWeights } from '../../cli/device-check/random-inputs.ts';
import { describeReport } from '../../cli/device-check/report.ts';
import { summaryOf } from '../../cli/device-check/summary.ts';
import { openModel } from '../../gpu-worker/models/open-model.ts';
import { swiftShaderEnvironment } from '../helpers/swiftshader.ts';
import { variation } from '../helpers/variations.ts';
import { krona, kronaProcess } from './run-krona.ts';

describe('krona device check', () => {
  let dataFolder: string;
  beforeEach(async () => {
    dataFolder = await mkdtemp(join(tmpdir(), 'krona-check-'));
    vi.stubEnv('KRONA_DATA', dataFolder);
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(dataFolder, { recursive: true });
  });

  it('describes the computer on the CPU, and says that the values are right', async () => {
    const { code, stdout } = await krona('device', 'check', '--device', 'cpu', '--size', 'none', '--json');
    expect(code).toBe(0);
    const report = JSON.parse(stdout) as Record<string, unknown>;
    expect(report).toMatchObject({ device: 'cpu', node: process.version, sizes: [] });
    expect(report['values']).toEqual(
      ['UNet', 'decoder', 'gradient'].map((what) => expect.objectContaining({ what, ok: true }) as unknown),
    );
    // It says nothing about pictures, so it takes no other's place.
    expect(await keptDeviceChecks(dataFolder)).toEqual([]);
  });

  it('computes the time of what would take hours from the speed of products', async () => {
    const [slow, fast] = [1e9, 1e12];
    const sizes = [
      ...(await checkSteps(await openModel(embeddedModel), 128, fast, vi.fn(), { sampling: 1, decoding: 1 })),
      ...(await checkSizes('sdxl', slow, vi.fn())),
    ];
    const report = {
      ...{ krona: '1', onnxruntime: '1', node: 'v1', platform: 'linux', processor: 'a test' },
      ...{ memoryGib: 1, peakMemoryMib: 1, cards: [], values: [], teraflops: slow / 1e12, sizes },
      device: 'webgpu',
    } as const;
    expect(describeReport(report).match(/SDXL, 1024², .*: not run: it would take about \d+ s/g)).toHaveLength(
      3,
    );
    const { speeds } = summaryOf(report, true);
    expect(speeds['sdxl 128']).toMatchObject({ basis: 'measured' });
    expect(speeds['sdxl 1024']).toMatchObject({ basis: 'computed' });
    const [step] = sizes.filter(({ problem }) => problem !== null);
    expect(speeds['sdxl 1024']!.step).toBeCloseTo(step!.teraflop / report.teraflops, 3);
  });

  // The same on SwiftShader, whose values test/webgpu compares part by part.
  variation(
    'says what a device in software gets wrong, and skips what would take hours',
    async () => {
      const words = ['device', 'check', '--device', 'webgpu', '--size', 'sdxl'];
      const { code, stdout, stderr } = await kronaProcess(words, undefined, {
        ...swiftShaderEnvironment(),
        KRONA_DATA: dataFolder,
      });
      expect(stderr).toMatch(/Computing on webgpu: .*attention operator is not used \(off by \d+%\)/);
      expect(stdout).toMatch(/right: gradient in float32, off by/);
      expect(stdout.match(/SDXL, 1024², .*: not run: it would take about \d+ s/g)).toHaveLength(3);
      expect(code).toBe(0);
      const [kept] = await keptDeviceChecks(dataFolder);
      expect(kept).toMatchObject({ device: 'webgpu', ok: true, stale: false });
      expect(kept!.speeds['sdxl 128']).toMatchObject({ basis: 'measured' });
      expect(kept!.speeds['sdxl 1024']).toMatchObject({ basis: 'computed' });
    },
    400_000,
  );

  it('removes its file of weights, and that of a check that was killed', async () => {
    const { pid } = spawnSync(process.execPath, ['--version']);
    const orphan = join(tmpdir(), `krona-weights-${pid}-test`);
    const used = join(tmpdir(), `krona-weights-${process.ppid}-test`);
    for (const path of [orphan, used]) await writeFile(path, '');
    const size = await withRandomWeights(1, async (path) => (await stat(path)).size);
    expect(size).toBeGreaterThan(0);
    await expect(access(orphan)).rejects.toThrow('ENOENT');
    await access(used);
    await rm(used);
  });

  it('names the cards, and the one that onnxruntime has no code for', () => {
    const cards = parseCards(
      'NVIDIA GeForce RTX 3090, 580.82, 8.6, 24576 MiB\nTesla V100-SXM2, 535.1, 7.0, 16384 MiB\n' +
        'Orin, 540.3, 8.7, 30697 MiB\nB200, 570.1, 10.0, 183359 MiB\n',
    );
    expect(cards).toMatchObject([
      { name: 'NVIDIA GeForce RTX 3090', memory: '24576 MiB', problem: null },
      {
        architecture: '7.0',
        problem: expect.stringContaining('no code for compute capability 7.0') as string,
      },
      { architecture: '8.7', problem: null },
      { problem: expect.stringContaining('no code for compute capability 10.0') as string },
    ]);
  });
});
