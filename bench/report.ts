import { at } from '../core/at.ts';
/** @file The measured figures and their table: one row per figure, with its goal. */

export interface Goal {
  readonly sign: '≥' | '≤' | '<';
  /** In the row's unit. */
  readonly value: number;
}

export interface Row {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** null for a figure that others are compared with. */
  readonly goal: Goal | null;
  /** How the figure was measured. */
  readonly detail: string;
  /** The single measurements behind it, in `rawUnit`. */
  readonly raw: readonly number[];
  readonly rawUnit: string;
}

export interface Results {
  readonly date: string;
  readonly cpu: string;
  readonly cores: number;
  readonly node: string;
  readonly onnxruntime: string;
  /** Name of the model's folder. */
  readonly model: string;
  readonly rows: readonly Row[];
}

function isMet({ value, goal }: Row): boolean {
  if (goal === null) return true;
  if (goal.sign === '≥') return value >= goal.value;
  return goal.sign === '≤' ? value <= goal.value : value < goal.value;
}

/** The table as Markdown, under a line about the machine. */
export function markdown({ date, cpu, cores, node, onnxruntime, model, rows }: Results): string {
  const lines = rows.map((row) => {
    const { what, value, unit, goal, detail } = row;
    const [goalUnit = unit] = unit.split(' ');
    const wanted =
      goal === null ? '' : `${goal.sign} ${inUnit(goal.value, goalUnit)} ${isMet(row) ? '✓' : '✗'}`;
    return `| ${what} | ${inUnit(short(value), unit)} | ${wanted} | ${detail} |`;
  });
  return [
    `Medians of one run of \`npm run bench\` on ${cores} cores (${cpu}), ${date.slice(0, 10)}, Node ${node}, onnxruntime ${onnxruntime}, model ${model}.`,
    '',
    '| what | measured | goal | how |',
    '| --- | --- | --- | --- |',
    ...lines,
    '',
  ].join('\n');
}

const inUnit = (value: number | string, unit: string): string =>
  unit.startsWith('%') ? `${value}${unit}` : `${value} ${unit}`;

/** Three digits, without an exponent. */
export const short = (value: number): string =>
  Math.abs(value) >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));

export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error('a median of nothing: too few measurements were taken');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? at(sorted, middle) : (at(sorted, middle - 1) + at(sorted, middle)) / 2;
}
