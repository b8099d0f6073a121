/** @file Full-size results, ours and the rival's, kept as rows in a file, and their table. */
import { readFile, writeFile } from 'node:fs/promises';
import { median, short } from '../report.ts';
import type { ModelName } from './random-model.ts';
import type { StepKind, StepResult } from './steps.ts';

/** A step of one model in one run; no values of theirs without Python. */
export interface FullSizeRow {
  readonly model: ModelName;
  readonly kind: StepKind;
  /** ISO 8601 */
  readonly date: string;
  readonly cpu: string;
  readonly threads: number;
  /** Load average of the minute before. */
  readonly load: number;
  /** One per process. */
  readonly ours: readonly StepResult[];
  readonly theirs: readonly StepResult[];
  /** Between the results, relative to the largest value. */
  readonly difference: number | null;
}

export const TITLES: Readonly<Record<ModelName, string>> = { sd15: 'SD 1.5', sdxl: 'SDXL' };

/** Reads the rows of earlier runs; none if the file is missing. */
async function readRows(path: string): Promise<FullSizeRow[]> {
  const text = await readFile(path, 'utf8').catch(() => '[]');
  return JSON.parse(text) as FullSizeRow[];
}

/** Replaces the row of the same step, and rewrites the file. */
export async function keepRow(path: string, row: FullSizeRow): Promise<FullSizeRow[]> {
  const others = (await readRows(path)).filter(({ model, kind }) => model !== row.model || kind !== row.kind);
  const rows = [...others, row].sort((a, b) => titleOf(a).localeCompare(titleOf(b)));
  await writeFile(path, `${JSON.stringify(rows, null, 1)}\n`);
  return rows;
}

const titleOf = ({ model, kind }: FullSizeRow): string => `${TITLES[model]} ${kind}`;

/** As Markdown, with an explanation of the columns. */
export function fullSizeTable(rows: readonly FullSizeRow[]): string {
  const lines = rows.map((row) => {
    const { ours, theirs, difference, threads, cpu, date, load } = row;
    const pair = (of: (results: readonly StepResult[]) => number): string =>
      theirs.length === 0
        ? `${short(of(ours))} | | `
        : `${short(of(ours))} | ${short(of(theirs))} | ${short(of(ours) / of(theirs))}`;
    const seconds = pair((results) => median(results.flatMap((one) => one.seconds)));
    const processor = pair((results) => median(results.flatMap((one) => one.processor)));
    const peak = pair((results) => Math.max(...results.map((one) => one.peak)) / 2 ** 20);
    const written = short(Math.max(...ours.map((one) => one.written ?? 0)) / 1e6);
    return `| ${titleOf(row)} | ${seconds} | ${processor} | ${peak} | ${difference?.toExponential(1) ?? ''} | ${written} | ${threads} × ${cpu}, ${date.slice(0, 10)}, load ${short(load)} |`;
  });
  return [
    'Random weights, 512×512, float32; diffusers with PEFT’s LoKr in the same run, processes alternating. A sampling step is one',
    'call of the UNet on two rows (guidance); a training step is forward, backward and AdamW for one photo with checkpointing:',
    'factors (4, 64) here, (16, 16) in PEFT, the same number of parameters. Medians; processor seconds add up all threads; peaks',
    'cover the whole process. Difference: of the prediction (largest, relative to the largest value) or of the first loss.',
    'Seconds are meaningful only if the machine’s load was low at the start of the row.',
    '',
    '| step | seconds | theirs | ratio | processor s | theirs | ratio | peak MiB | theirs | ratio | difference | MB written until the first | measured |',
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |',
    ...lines,
    '',
  ].join('\n');
}
