/** @file Writes the comparison's results: report.json, tables, charts of the grids and a sheet of pictures. */
import { join } from 'node:path';
import { writeWhole } from '../../core/files.ts';
import { contactSheet, renderSvg } from '../pretrain/sheet.ts';
import { testClaims, type Claim, type Studies } from './claims.ts';
import type { BaseScores } from './compare-subject.ts';
import {
  differencesOf,
  gridFigures,
  methodFigures,
  realFigures,
  type Difference,
  type Grid,
  type MethodFigures,
  type SettingFigures,
} from './comparison-figures.ts';
import { gridCharts, SHEET_COLUMNS, sheetPictures } from './comparison-pictures.ts';
import type { ComparisonSize } from './comparison-plan.ts';
import type { RealShares } from './comparison-scores.ts';
import { writeJson } from './files.ts';
import { readSubjects, subjectNotices } from './subjects.ts';
import type { Interval } from './statistics.ts';

export interface ComparisonReport {
  readonly subjects: number;
  readonly seeds: number;
  readonly steps: number;
  readonly methods: readonly MethodFigures[];
  /** The judges' results on real pictures of the same prompts. */
  readonly real: Readonly<Record<keyof RealShares, Interval>>;
  readonly differences: readonly Difference[];
  readonly claims: readonly Claim[];
  readonly grids: Readonly<Record<Grid, readonly SettingFigures[]>>;
}

export async function reportComparison(
  {
    out,
    size,
    subjects,
  }: { readonly out: string; readonly size: ComparisonSize; readonly subjects?: string },
  found: Studies & { readonly base: readonly BaseScores[] },
): Promise<ComparisonReport> {
  const { methods, base } = found;
  const report: ComparisonReport = {
    subjects: size.subjects.length,
    seeds: size.seeds.length,
    steps: size.steps,
    methods: methodFigures(methods, base),
    real: realFigures(base),
    differences: differencesOf(methods),
    claims: testClaims(found),
    grids: gridFigures(found),
  };
  await writeJson(join(out, 'report.json'), report);
  await writeWhole(join(out, 'table.md'), comparisonTable(report));
  for (const [name, chart] of Object.entries(gridCharts(report.grids)))
    await writeWhole(join(out, `${name}.png`), await renderSvg(chart));
  const recipe = await readSubjects(subjects);
  const pictures = await sheetPictures(out, size, recipe, methods);
  await writeWhole(join(out, 'sheet.png'), await contactSheet(pictures, { columns: SHEET_COLUMNS }));
  const notices = subjectNotices(recipe);
  await writeWhole(join(out, 'SUBJECT_LICENSES.md'), `${notices.map((line) => `- ${line}`).join('\n')}\n`);
  return report;
}

export const range = ({ estimate, low, high }: Interval): string =>
  `${estimate.toFixed(3)} (${low.toFixed(3)} to ${high.toFixed(3)})`;

export const table = (heads: readonly string[], rows: readonly (readonly string[])[]): string[] =>
  [heads, heads.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).concat('');

const GRIDS: readonly (readonly [Grid, title: string])[] = [
  ['rates', 'Learning rates'],
  ['forms', "Krona's factors and LoRA's ranks"],
  ['priors', "Krona's prior on ΔW"],
  ['steps', 'Steps, on simple subjects'],
];

/** Returns Markdown: methods, alignment by kind, differences, claims, then every setting of the grids. */
export function comparisonTable(report: ComparisonReport): string {
  const { subjects, seeds, steps } = report;
  return [
    `${subjects} subjects, ${seeds} seeds, ${steps} steps each; 95% intervals over subjects.`,
    '',
    ...methodTable(report),
    ...alignmentTable(report),
    ...differenceTable(report),
    ...claimTable(report),
    ...gridTables(report),
  ].join('\n');
}

const methodTable = ({ methods }: ComparisonReport): string[] =>
  table(
    ['method', 'learning rate', 'parameters', 's a step', 'fidelity', 'alignment', 'drift'],
    methods.map(({ method, lr, parameters, secondsPerStep, fidelity, alignment, drift }) => [
      method,
      String(lr ?? ''),
      parameters.toLocaleString('en'),
      secondsPerStep?.toFixed(3) ?? '',
      ...[fidelity, alignment, drift].map(range),
    ]),
  );

const alignmentTable = ({ methods, real }: ComparisonReport): string[] =>
  table(
    ['method', 'alignment', 'background', 'partner', 'style'],
    [
      ...methods.map(({ method, alignment, background, partner, style }) => [
        method,
        ...[alignment, background, partner, style].map(range),
      ]),
      ['real pictures', '', range(real.background), range(real.partner), 'none'],
    ],
  );

const differenceTable = ({ differences }: ComparisonReport): string[] =>
  table(
    ['krona minus', 'fidelity', 'alignment', 'drift'],
    differences.map(({ less, fidelity, alignment, drift }) => [
      less,
      ...[fidelity, alignment, drift].map(range),
    ]),
  );

const claimTable = ({ claims }: ComparisonReport): string[] =>
  table(
    ['claim', 'verdict', 'difference (95%)', 'needed'],
    claims.flatMap(({ name, text, verdict, parts }) => [
      [`(${name}) ${text}`, `**${verdict}**`, '', ''],
      ...parts.map(({ what, interval, margin, verdict: own }) => [
        what,
        own,
        interval.units === 0 ? 'none' : range(interval),
        `above ${margin === 0 ? '0' : `−${margin}`}`,
      ]),
    ]),
  );

const GRID_COLUMNS = [
  'method',
  'form',
  'learning rate',
  'prior',
  'steps',
  'parameters',
  'score',
  'fidelity',
  'alignment',
  'drift',
  'diverged',
];

const gridTables = ({ grids }: ComparisonReport): string[] =>
  GRIDS.flatMap(([grid, title]) => [
    `${title}:`,
    '',
    ...table(
      GRID_COLUMNS,
      grids[grid].map((row) => [
        row.method,
        row.form,
        String(row.lr),
        row.priorL2 === 0 ? '' : String(row.priorL2),
        String(row.steps),
        row.parameters.toLocaleString('en'),
        ...[row.score, row.fidelity, row.alignment, row.drift].map(range),
        String(row.diverged),
      ]),
    ),
  ]);
