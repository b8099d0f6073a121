/**
 * @file A page about a pretraining run: `index.html` in its folder, which reloads automatically. It shows the progress
 * of each stage, the newest sheet of samples, loss curves, and earlier sheets.
 */
import { at } from '../../core/at.ts';
import { appendFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { readFileIfAny, writeWhole } from '../../core/files.ts';
import { lossCurve } from './sheet.ts';
import type { StageProgress } from './stage.ts';

/** A line of `log.jsonl`. Encoding latents and judging have neither loss nor gradient. */
export type LoggedProgress = Omit<StageProgress, 'loss' | 'gradientNorm'> & {
  readonly loss: number | null;
  readonly gradientNorm: number | null;
};

/** `status.json` holds the newest progress, `log.jsonl` all of it, `index.html` shows it. */
export async function recordProgress(folder: string, progress: LoggedProgress): Promise<void> {
  const line = JSON.stringify(progress);
  await appendFile(join(folder, 'log.jsonl'), `${line}\n`);
  await writeWhole(join(folder, 'status.json'), `${line}\n`);
  await writeStatusPage(folder);
}

/** Writes the page from `log.jsonl` and the sheets in the folder; both can be missing. */
export async function writeStatusPage(folder: string): Promise<void> {
  const lines = ((await readFileIfAny(join(folder, 'log.jsonl'))) ?? '').split('\n');
  const sheets = (await readdir(folder)).filter((name) => /^sheet-\d+\.png$/.test(name)).sort();
  await writeWhole(join(folder, 'index.html'), statusPage(lines.flatMap(parsed), sheets.reverse()));
}

/** Returns nothing for a line cut off by a full disk. */
function parsed(line: string): LoggedProgress[] {
  try {
    return [JSON.parse(line) as LoggedProgress];
  } catch {
    return [];
  }
}

/** @param sheets file names, the newest first */
function statusPage(log: readonly LoggedProgress[], sheets: readonly string[]): string {
  const names = [...new Set(log.map(({ stage }) => stage))];
  const stages = names.map((name) => latestRun(log.filter(({ stage }) => stage === name)));
  const [newest, ...earlier] = sheets;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="30">
<title>krona pretrain</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color-scheme: light dark; }
  h2 { font-size: 1.1rem; margin: 2rem 0 0; }
  table { border-spacing: 0; width: 100%; }
  th, td { text-align: start; padding: 0.2rem 1rem 0.2rem 0; }
  svg, img { width: 100%; height: auto; }
</style>
<h1>krona pretrain</h1>
<table>
<tr><th>stage<th>step<th>loss<th>samples/s<th>time left</tr>
${stages.map((entries) => row(at(entries, -1))).join('\n') || '<tr><td>drawings and words<td><td><td><td></tr>'}
</table>
${newest ? `<h2>Samples at step ${stepOf(newest)}</h2>\n<img src="${newest}" alt="Pictures of held-out prompts">` : ''}
${stages.map(curve).reverse().join('\n')}
${earlier.length > 0 ? `<h2>Earlier samples</h2>\n<p>${earlier.map((name) => `<a href="${name}">step ${stepOf(name)}</a>`).join(', ')}</p>` : ''}
</html>
`;
}

const stepOf = (sheet: string): number => Number(/\d+/.exec(sheet)![0]);

/** Without steps that were redone: a resumed run repeats the steps since its last save. */
function latestRun(entries: readonly LoggedProgress[]): LoggedProgress[] {
  const kept: LoggedProgress[] = [];
  for (const entry of entries) {
    while (kept.length > 0 && at(kept, -1).step >= entry.step) kept.pop();
    kept.push(entry);
  }
  return kept;
}

function row({ stage, step, steps, loss, samplesPerSecond, secondsLeft }: LoggedProgress): string {
  const left = step === steps ? 'done' : secondsLeft > 0 ? minutes(secondsLeft) : '';
  const speed = samplesPerSecond > 0 ? samplesPerSecond.toFixed(1) : '';
  return `<tr><td>${stage}<td>${step} of ${steps}<td>${loss?.toFixed(4) ?? ''}<td>${speed}<td>${left}</tr>`;
}

function curve(entries: readonly LoggedProgress[]): string {
  const points = entries.flatMap(({ step, loss }) => (loss === null ? [] : [[step, loss] as const]));
  if (points.length === 0) return '';
  const { stage } = at(entries, 0);
  return `<h2>${stage}</h2>\n${lossCurve([{ name: stage, points }], 'loss')}`;
}

function minutes(seconds: number): string {
  const all = Math.ceil(seconds / 60);
  return all < 60 ? `${all} min` : `${Math.floor(all / 60)} h ${all % 60} min`;
}
