/** @file What the comparison found: a table, the claims with their intervals, charts of the grids, a sheet of pictures. */
import { join } from 'node:path';
import sharp from 'sharp';
import { writeWhole } from '../../storage/files.ts';
import { METHODS, type Method } from '../../storage/settings.ts';
import { fromBytes } from '../pretrain/composite.ts';
import { contactSheet, type SheetPicture } from '../pretrain/sheet.ts';
import { intervalChart, type ChartSeries } from './charts.ts';
import { alignmentOf, driftOf, fidelityOf, scoreOf, testClaims, type Claim, type Studies } from './claims.ts';
import { baseStripPath, stripPath, type BaseScores, type Result } from './compare-subject.ts';
import type { Scores } from './comparison-scores.ts';
import type { ComparisonSize } from './comparison-plan.ts';
import { readStrip, writeJson } from './files.ts';
import { readSubjects, subjectNotices } from './subjects.ts';
import { bootstrap, groupsOf, mean, type Interval } from './statistics.ts';

export type BestRates = Readonly<Record<Method, number>>;

export interface MethodFigures {
  readonly method: Method | 'model alone';
  readonly lr: number | null;
  readonly parameters: number;
  readonly secondsPerStep: number;
  readonly fidelity: Interval;
  readonly alignment: Interval;
  readonly drift: Interval;
}

export interface ComparisonReport {
  readonly subjects: number;
  readonly seeds: number;
  readonly steps: number;
  readonly methods: readonly MethodFigures[];
  readonly claims: readonly Claim[];
}

/** The rate with the highest mean score, for each method. */
export function bestRates(results: readonly Result[]): BestRates {
  const best = (method: Method): number => {
    const groups = groupsOf(
      results.filter((result) => result.method === method),
      ({ lr }) => lr,
    );
    return groups.sort((a, b) => mean(b.map(scoreOf)) - mean(a.map(scoreOf)))[0]![0]!.lr;
  };
  return { krona: best('krona'), lora: best('lora'), full: best('full') };
}

/** A mean over subjects, which are what is resampled. */
function overSubjects<T>(
  results: readonly T[],
  subject: (one: T) => unknown,
  score: (one: T) => number,
): Interval {
  const units = groupsOf(results, subject).map((own) => mean(own.map(score)));
  return bootstrap(units, mean);
}

const figuresOf = (method: Method, results: readonly Result[]): MethodFigures => {
  const own = results.filter((result) => result.method === method);
  const interval = (score: (result: Result) => number) => overSubjects(own, ({ subject }) => subject, score);
  return {
    method,
    lr: own[0]!.lr,
    parameters: own[0]!.parameters,
    secondsPerStep: mean(own.flatMap(({ secondsPerStep }) => secondsPerStep ?? [])),
    fidelity: interval(fidelityOf),
    alignment: interval(alignmentOf),
    drift: interval(driftOf),
  };
};

export async function reportComparison(
  { out, size }: { readonly out: string; readonly size: ComparisonSize },
  found: Studies & { readonly base: readonly BaseScores[]; readonly best: BestRates },
): Promise<ComparisonReport> {
  const each = (score: (one: Scores) => number) => overSubjects(found.base, (one) => one, score);
  const alone: MethodFigures = {
    method: 'model alone',
    lr: null,
    parameters: 0,
    secondsPerStep: 0,
    fidelity: each(fidelityOf),
    alignment: each(alignmentOf),
    drift: each(driftOf),
  };
  const report: ComparisonReport = {
    subjects: size.subjects.length,
    seeds: size.seeds.length,
    steps: size.steps,
    methods: [alone, ...METHODS.map((method) => figuresOf(method, found.methods))],
    claims: testClaims(found),
  };
  await writeJson(join(out, 'report.json'), report);
  await writeWhole(join(out, 'table.md'), comparisonTable(report));
  for (const [name, chart] of Object.entries(chartsOf(found))) {
    await writeWhole(join(out, `${name}.png`), await sharp(Buffer.from(chart)).png().toBuffer());
  }
  await writeWhole(join(out, 'sheet.png'), await sheetOf(out, size, found.methods));
  const notices = subjectNotices(await readSubjects());
  await writeWhole(join(out, 'SUBJECT_LICENSES.md'), `${notices.map((line) => `- ${line}`).join('\n')}\n`);
  return report;
}

const range = ({ estimate, low, high }: Interval): string =>
  `${estimate.toFixed(3)} (${low.toFixed(3)} to ${high.toFixed(3)})`;

/** Markdown. */
export function comparisonTable({ subjects, seeds, steps, methods, claims }: ComparisonReport): string {
  return [
    `${subjects} subjects, ${seeds} seeds, ${steps} steps each; 95 % intervals over subjects.`,
    '',
    '| method | learning rate | parameters | s a step | fidelity | alignment | drift |',
    '|---|---|---|---|---|---|---|',
    ...methods.map(
      ({ method, lr, parameters, secondsPerStep, fidelity, alignment, drift }) =>
        `| ${method} | ${lr ?? ''} | ${parameters.toLocaleString('en')} | ${secondsPerStep.toFixed(3)} | ${range(fidelity)} | ${range(alignment)} | ${range(drift)} |`,
    ),
    '',
    '| claim | | difference (95 %) | needed |',
    '|---|---|---|---|',
    ...claims.flatMap(({ name, text, verdict, parts }) => [
      `| (${name}) ${text} | **${verdict}** | | |`,
      ...parts.map(
        ({ what, interval, margin, verdict: own }) =>
          `| ${what} | ${own} | ${range(interval)} | above ${margin === 0 ? '0' : `−${margin}`} |`,
      ),
    ]),
    '',
  ].join('\n');
}

function chartsOf({ rates, forms, steps }: Studies): Record<string, string> {
  const chart = (title: string, results: readonly Result[], label: (result: Result) => string): string => {
    const series = METHODS.map((method): ChartSeries => ({
      name: method,
      points: groupsOf(
        results.filter((result) => result.method === method),
        label,
      ).map((group) => ({
        label: label(group[0]!),
        interval: overSubjects(group, ({ subject }) => subject, scoreOf),
      })),
    }));
    const shown = series.filter(({ points }) => points.length > 0);
    return intervalChart(title, [...new Set(results.map(label))], shown);
  };
  return {
    rates: chart(
      'Score by learning rate',
      [...rates].sort((a, b) => a.lr - b.lr),
      ({ lr }) => lr.toExponential(),
    ),
    forms: chart("Score by krona's factors a1×a2 and LoRA's ranks", forms, ({ method, a1, a2, rank }) =>
      method === 'krona' ? `${a1}×${a2}` : `rank ${rank}`,
    ),
    steps: chart("Krona's score on simple subjects by steps", steps, (result) => String(result.steps)),
  };
}

/** Prompts shown of each adapter: a background, a partner and a style. */
const SHOWN = [0, 5, 9] as const;

/** A row for each subject: a photo, then the model alone and each method with the same prompts and seeds. */
async function sheetOf(out: string, size: ComparisonSize, methods: readonly Result[]): Promise<Buffer> {
  const { prompts } = await readSubjects();
  const cells: SheetPicture[] = [];
  for (const subject of size.subjects) {
    const photo = join(out, 'photos', subject.replaceAll(' ', '-'), '1.png');
    const raw = await sharp(photo).removeAlpha().raw().toBuffer();
    cells.push({ image: fromBytes(raw), label: subject });
    const rows = [
      { name: 'model alone', path: baseStripPath(out, subject) },
      ...METHODS.map((method) => ({
        name: method,
        path: stripPath(
          out,
          methods.find(
            (one) => one.subject === subject && one.method === method && one.seed === size.seeds[0],
          )!,
        ),
      })),
    ];
    for (const { name, path } of rows) {
      const pictures = await readStrip(path);
      for (const index of SHOWN) {
        const text = prompts[index]!.text.replace('{subject}', subject);
        const image = pictures?.[index] ?? new Float32Array(raw.length).fill(1);
        cells.push({ image, label: pictures ? `${name}: ${text}` : `${name}: diverged` });
      }
    }
  }
  return contactSheet(cells, { columns: 1 + 4 * SHOWN.length });
}
