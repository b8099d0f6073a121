/** @file The report of `krona evaluate subjects` as Markdown. */
import { range, table } from './comparison-report.ts';
import type { SubjectFigures, SubjectsReport } from './measure-subjects.ts';

export function subjectsTable({ trials }: SubjectsReport): string {
  const scores = (figures: SubjectFigures | null): string[] =>
    figures ? [figures.fidelity, figures.alignment, figures.drift].map(range) : ['', '', ''];
  return table(
    [
      'training',
      'parameters',
      'steps',
      'seconds',
      'fidelity',
      'alignment',
      'drift',
      'mascots: fidelity',
      'alignment',
      'drift',
      'recognised',
    ],
    trials.map(({ name, parameters, steps, seconds, subjects, mascots }) => [
      name,
      parameters.toLocaleString('en'),
      String(steps),
      seconds.toFixed(1),
      ...scores(subjects),
      ...scores(mascots),
      mascots ? range(mascots.recognised) : '',
    ]),
  ).join('\n');
}
