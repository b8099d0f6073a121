/** @file `krona device`: what this computer computes on, whether it is right, and how fast it is. */
import { resolve } from 'node:path';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { Option, type Command } from 'commander';
import { readDevice, type Device } from '../../core/config.ts';
import { keepDeviceCheck } from '../../core/device-checks.ts';
import { dataFolder } from '../../core/environment.ts';
import { describeError } from '../../core/errors.ts';
import { embeddedModel, runtimeVersion, version } from '../../core/package.ts';
import { chooseDevice, useDevice } from '../../gpu-worker/graph/device.ts';
import { deviceTrials, productRate } from '../../gpu-worker/graph/device-trial.ts';
import { modelCard } from '../../gpu-worker/adapters/model-card.ts';
import { openModel } from '../../gpu-worker/models/open-model.ts';
import { nvidiaCards } from '../device-check/card.ts';
import { checkSizes, checkSteps, SIZES, type SizeName, type SizeRow } from '../device-check/check-sizes.ts';
import { describeReport } from '../device-check/report.ts';
import { summaryOf } from '../device-check/summary.ts';
import { checkValues } from '../device-check/check-values.ts';
import { defineInstall } from '../device-install/command.ts';
import { deviceOption } from '../device.ts';
import { action, type Shell } from '../output.ts';

interface Given {
  device?: Device;
  size: SizeName | 'none';
}

export function define(command: Command, shell: Shell): void {
  defineCheck(command, shell);
  defineInstall(command, shell);
}

function defineCheck(command: Command, shell: Shell): void {
  const check = command
    .command('check')
    .description('try a device: values against the CPU, and seconds at full size, without a download')
    .addOption(deviceOption())
    .addOption(
      new Option('--size <model>', 'model whose size to try')
        .choices([...Object.keys(SIZES), 'none'])
        .default('sdxl'),
    );
  action(check, shell, async (io, given: Given) => {
    const chosen = await chooseDevice(given.device ?? readDevice(), deviceTrials);
    const { device, dialect } = chosen;
    io.log(chosen.notice ?? `Running on ${device}.`);
    const show = (step: number, phase: string) =>
      io.progress.show({ step, steps: 2, phase, secondsLeft: null });
    show(0, 'comparing values');
    const values = await checkValues(chosen);
    useDevice(device, dialect);
    const rate = await productRate(device);
    const sizes = given.size === 'none' ? [] : await sizeRows(given.size, rate, (phase) => show(1, phase));
    show(2, 'done');
    const report = {
      krona: version,
      onnxruntime: runtimeVersion,
      node: process.version,
      platform: `${process.platform} ${process.arch}`,
      processor: `${cpus()[0]?.model.trim() ?? 'unknown'}, ${availableParallelism()} threads`,
      memoryGib: Math.round(totalmem() / 2 ** 30),
      device,
      dialect,
      notice: chosen.notice,
      cards: await nvidiaCards(),
      teraflops: rate / 1e12,
      values,
      sizes,
      peakMemoryMib: Math.round(process.resourceUsage().maxRSS / 1024),
    };
    const ok = [...values, ...sizes].every((row) => row.ok);
    if (sizes.length > 0)
      await keepDeviceCheck(resolve(dataFolder()), summaryOf(report, ok)).catch((error: unknown) =>
        io.log(`The report was not kept. ${describeError(error).message}`),
      );
    return { json: report, text: describeReport(report), exitCode: ok ? 0 : 1 };
  });
}

/** The embedded model, which everybody has and draws with, and a published one. */
async function sizeRows(size: SizeName, rate: number, onBegin: (what: string) => void): Promise<SizeRow[]> {
  const embedded = await openModel(embeddedModel);
  const own = await checkSteps(embedded, modelCard(embedded).nativeSize, rate, onBegin, {
    sampling: 3,
    decoding: 1,
  });
  return [...own, ...(await checkSizes(size, rate, onBegin))];
}
