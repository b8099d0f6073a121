/** @file Writes the results of `krona evaluate model` into the model's README.md: the table, and the missed goals. */
import { at } from '../../core/at.ts';
import { join } from 'node:path';
import { KronaError } from '../../core/errors.ts';
import { readFileIfAny, writeWhole } from '../../core/files.ts';
import { JUDGED_SAMPLING } from '../pretrain/evaluate-model.ts';
import { modelTable, percent, type ModelReport } from './model-report.ts';

/** @throws KronaError MODEL_CARD_MISSING */
export async function readModelCard(model: string): Promise<string> {
  const card = await readFileIfAny(join(model, 'README.md')).catch(() => null);
  if (card !== null) return card;
  throw new KronaError(
    'MODEL_CARD_MISSING',
    'The model has no README.md to write into; add one to its folder, or omit --card.',
  );
}

/** @throws KronaError MODEL_CARD_MISSING, FILE_UNWRITABLE */
export async function writeMeasuredCard(model: string, report: ModelReport): Promise<void> {
  await writeWhole(join(model, 'README.md'), measuredCard(await readModelCard(model), report));
}

const MISSED = 'It misses these goals of the table above:';

/**
 * The card with the report as its section "Measured" and the missed goals at the end of "Limits"; replaces an earlier
 * report. A missing section is appended; an empty one is removed.
 */
export function measuredCard(card: string, report: ModelReport): string {
  const { steps, guidance } = JUDGED_SAMPLING;
  const measured = `By \`krona evaluate model\`, with ${steps} steps and guidance ${guidance}, on held-out prompts. The same judges also judge real
pictures, composed from the training drawings.

${modelTable(report)}
In held-out.png, if present, green marks come from a more lenient judge: the nearest training drawing.`;
  const missed = report.figures.flatMap(({ kind, question, model, goal }) =>
    goal === null || model.estimate >= goal
      ? []
      : [`- ${kind}, ${question}: ${percent(model.estimate)}, goal ${percent(goal)}`],
  );
  const withTable = setSection(card, 'Measured', () => measured);
  return setSection(withTable, 'Limits', (limits) => {
    const others = at(limits.split(MISSED), 0).trim();
    return [others, ...(missed.length > 0 ? [`${MISSED}\n\n${missed.join('\n')}`] : [])].join('\n\n').trim();
  });
}

/** @param body returns the section's new text, given the old one, both without heading */
function setSection(card: string, title: string, body: (former: string) => string): string {
  const heading = `## ${title}`;
  const sections = card.split(/^(?=## )/m);
  const place = sections.findIndex((section) => at(section.split('\n'), 0).trim() === heading);
  const text = body(place < 0 ? '' : at(sections, place).slice(heading.length));
  if (text === '') return place < 0 ? card : sections.toSpliced(place, 1).join('');
  const section = `${heading}\n\n${text}\n`;
  if (place < 0) return `${card.trimEnd()}\n\n${section}`;
  return sections.with(place, place === sections.length - 1 ? section : `${section}\n`).join('');
}
