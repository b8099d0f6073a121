/** @file `krona device`: what this computer computes on, whether it is right, and how fast it is. */
import { availableParallelism, cpus, totalmem } from 'node:os';
import { Option, type Command } from 'commander';
import { readDevice, type Device } from '../../core/config.ts';
import { version } from '../../core/package.ts';
import { chooseDevice, useDevice } from '../../gpu-worker/graph/device.ts';
import { deviceTrials, productRate } from '../../gpu-worker/graph/device-trial.ts';
import { runtimeVersion } from '../../gpu-worker/graph/runtime.ts';
import { nvidiaCards, type Card } from '../device-check/card.ts';
import { checkSizes, SIZES, type SizeName, type SizeRow } from '../device-check/check-sizes.ts';
import { checkValues, type ValueRow } from '../device-check/check-values.ts';
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
    const sizes = given.size === 'none' ? [] : await checkSizes(given.size, rate, (phase) => show(1, phase));
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
    const exitCode = [...values, ...sizes].every(({ ok }) => ok) ? 0 : 1;
    return { json: report, text: describe(report), exitCode };
  });
}

interface Report {
  readonly krona: string;
  readonly onnxruntime: string;
  readonly node: string;
  readonly platform: string;
  readonly processor: string;
  readonly memoryGib: number;
  readonly device: Device;
  readonly cards: readonly Card[];
  readonly teraflops: number;
  readonly values: readonly ValueRow[];
  readonly sizes: readonly SizeRow[];
  readonly peakMemoryMib: number;
}

/** The whole report as lines to paste into an issue. */
function describe(report: Report): string {
  const { krona, onnxruntime, node, platform, processor, memoryGib, device, cards, values, sizes } = report;
  return [
    `krona ${krona}, onnxruntime ${onnxruntime}, node ${node}, ${platform}`,
    `${processor}, ${memoryGib} GiB`,
    ...cards.map(({ name, driver, architecture, memory, problem }) =>
      [
        `${name}, ${memory}, compute capability ${architecture}, driver ${driver}`,
        ...(problem ? [problem] : []),
      ].join('; '),
    ),
    `${device}: ${report.teraflops.toPrecision(2)} TFLOP/s in products of matrices`,
    ...valueLines(values),
    ...sizes.map(sizeLine),
    `most memory of this process: ${report.peakMemoryMib} MiB`,
  ].join('\n');
}

const valueLines = (values: readonly ValueRow[]): string[] =>
  values.map(
    ({ what, precision, error, limit, ok }) =>
      `${ok ? 'right' : 'WRONG'}: ${what} in ${precision}, off by ${error.toExponential(1)} (at most ${limit})`,
  );

function sizeLine({ what, precision, teraflop, open, runs, problem }: SizeRow): string {
  const facts = `${what}, ${precision}, ${teraflop.toFixed(1)} TFLOP`;
  if (open === null) return `${facts}: ${problem ?? ''}`;
  return `${facts}: opened in ${open.toFixed(1)} s, ran in ${runs.map((run) => run.toFixed(2)).join(', ')} s`;
}
