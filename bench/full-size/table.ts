/** @file What a step at full size took, ours and a rival's, kept as rows in a file, and the table made of them. */
import { readFile, writeFile } from 'node:fs/promises';
import { median, short } from '../report.ts';
import type { ModelName } from './random-model.ts';
import type { StepKind, StepResult } from './steps.ts';

/** A step of one model, measured in one run; nothing of theirs where there was no Python. */
export interface FullSizeRow {
  readonly model: ModelName;
  readonly kind: StepKind;
  /** ISO 8601 */
  readonly date: string;
  readonly cpu: string;
  readonly threads: number;
  /** Of the machine in the minute before. */
  readonly load: number;
  /** One a process. */
  readonly ours: readonly StepResult[];
  readonly theirs: readonly StepResult[];
  /** Between the results, against the largest value. */
  readonly difference: number | null;
}

export const TITLES: Readonly<Record<ModelName, string>> = { sd15: 'SD 1.5', sdxl: 'SDXL' };

/** The rows of a file that earlier runs wrote; none where there is no file. */
async function readRows(path: string): Promise<FullSizeRow[]> {
  const text = await readFile(path, 'utf8').catch(() => '[]');
  return JSON.parse(text) as FullSizeRow[];
}

/** Puts a row in the place of the one of the same step, and writes the file anew. */
export async function keepRow(path: string, row: FullSizeRow): Promise<FullSizeRow[]> {
  const others = (await readRows(path)).filter(({ model, kind }) => model !== row.model || kind !== row.kind);
  const rows = [...others, row].sort((a, b) => titleOf(a).localeCompare(titleOf(b)));
  await writeFile(path, `${JSON.stringify(rows, null, 1)}\n`);
  return rows;
}

const titleOf = ({ model, kind }: FullSizeRow): string => `${TITLES[model]} ${kind}`;

/** As markdown, under what the words in it mean. */
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
    'Random weights, 512×512, float32; diffusers with PEFT’s LoKr in the same run, processes in turns. A sampling step is one',
    'call of the UNet on two rows (guidance); a training step is forward, backward and AdamW for one photo with checkpointing:',
    'factors (4, 64) here, (16, 16) in PEFT, which are as many numbers. Medians; processor seconds are of all threads; peaks',
    'are of the whole process. Difference: of the prediction (largest, against the largest value) or of the first loss.',
    'Seconds mean something only where the load of the machine was low when the row began.',
    '',
    '| step | seconds | theirs | ratio | processor s | theirs | ratio | peak MiB | theirs | ratio | difference | MB written until the first | measured |',
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |',
    ...lines,
    '',
  ].join('\n');
}
