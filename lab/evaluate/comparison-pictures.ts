/** @file Pictures of the comparison: charts of the grids, and a sheet of what each method draws. */
import { METHODS } from '../../core/settings/choices.ts';
import type { SheetPicture } from '../pretrain/sheet.ts';
import { intervalChart } from './charts.ts';
import { baseStripPath, firstPhoto, stripPath, type Result } from './compare-subject.ts';
import type { Grid, SettingFigures } from './comparison-figures.ts';
import type { ComparisonSize } from './comparison-plan.ts';
import { KINDS } from './comparison-scores.ts';
import { readStrip } from './files.ts';
import { textOf, type SubjectRecipe } from './subjects.ts';

/** SVG texts by grid: the score of each setting. */
export function gridCharts(grids: Readonly<Record<Grid, readonly SettingFigures[]>>): Record<Grid, string> {
  const chart = (
    title: string,
    rows: readonly SettingFigures[],
    label: (row: SettingFigures) => string,
  ): string => {
    const series = METHODS.map((name) => ({
      name,
      points: rows
        .filter(({ method }) => method === name)
        .map((row) => ({ label: label(row), interval: row.score })),
    }));
    const shown = series.filter(({ points }) => points.length > 0);
    return intervalChart(title, [...new Set(rows.map(label))], shown);
  };
  const byRate = [...grids.rates].sort((a, b) => a.lr - b.lr);
  return {
    rates: chart('Score by learning rate', byRate, ({ lr }) => lr.toExponential()),
    forms: chart("Score by krona's factors a1×a2 and LoRA's ranks", grids.forms, ({ form }) => form),
    priors: chart("Krona's score by the weight of its prior", grids.priors, ({ priorL2 }) =>
      priorL2.toExponential(),
    ),
    steps: chart("Krona's score on simple subjects by steps", grids.steps, ({ steps }) => String(steps)),
  };
}

export const SHEET_COLUMNS = 1 + (1 + METHODS.length) * KINDS.length;

/** A row per subject: a photo, then the model alone and each method with the same prompts and seeds. */
export async function sheetPictures(
  out: string,
  size: Pick<ComparisonSize, 'subjects' | 'seeds'>,
  recipe: Pick<SubjectRecipe, 'token' | 'subjects' | 'prompts'>,
  methods: readonly Result[],
): Promise<SheetPicture[]> {
  const cells: SheetPicture[] = [];
  // The first prompt of each kind.
  const shown = KINDS.map((kind) => recipe.prompts.findIndex((prompt) => prompt.kind === kind));
  for (const subject of size.subjects) {
    const photo = await firstPhoto(out, subject);
    cells.push({ image: photo, label: `photo: ${subject}` });
    const asked = recipe.subjects.find(({ name }) => name === subject)!;
    const rows = [
      { name: 'model', path: baseStripPath(out, subject) },
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
      for (const index of shown) {
        const text = pictures ? textOf(recipe.prompts[index]!, recipe, asked) : 'diverged';
        const image = pictures?.[index] ?? new Float32Array(photo.length).fill(1);
        cells.push({ image, label: `${name}: ${text}` });
      }
    }
  }
  return cells;
}
