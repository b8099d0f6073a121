/** @file The report of `krona device check`: what it holds, and as lines to paste into an issue. */
import type { Device } from '../../core/config.ts';
import type { Card } from './card.ts';
import type { SizeRow } from './check-sizes.ts';
import type { ValueRow } from './check-values.ts';

export interface Report {
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
export function describeReport(report: Report): string {
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
  const facts = `${what}, ${precision}, ${Number(teraflop.toPrecision(3))} TFLOP`;
  if (open === null) return `${facts}: ${problem ?? ''}`;
  return `${facts}: opened in ${open.toFixed(1)} s, ran in ${runs.map((run) => run.toFixed(2)).join(', ')} s`;
}
