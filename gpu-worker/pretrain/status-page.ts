/**
 * @file A run of pretraining as a page to look at: `index.html` in its folder, which reloads itself. Loss curves of the
 * stages, throughput, time left, and the sheets of samples, newest first.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeWhole } from '../../storage/files.ts';
import { lossCurve } from './sheet.ts';
import type { StageProgress } from './stage.ts';

/** Writes the page of what `log.jsonl` and the sheets in the folder tell. */
export async function writeStatusPage(folder: string): Promise<void> {
  const log = (await readFile(join(folder, 'log.jsonl'), 'utf8'))
    .split('\n')
    .flatMap((line) => (line === '' ? [] : [JSON.parse(line) as StageProgress]));
  const sheets = (await readdir(folder)).filter((name) => /^sheet-\d+\.png$/.test(name)).sort();
  await writeWhole(join(folder, 'index.html'), statusPage(log, sheets.reverse()));
}

export function statusPage(log: readonly StageProgress[], sheets: readonly string[]): string {
  const stages = [...new Set(log.map(({ stage }) => stage))];
  const curves = stages.map((stage) => curve(stage, latestRun(log.filter((entry) => entry.stage === stage))));
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="30">
<title>krona pretrain</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color-scheme: light dark; }
  h2 { font-size: 1.1rem; margin: 2rem 0 0; }
  p { margin: 0.2rem 0; }
  svg, img { width: 100%; height: auto; }
</style>
<h1>krona pretrain</h1>
${curves.reverse().join('\n')}
${sheets.map((name) => `<h2>Samples at step ${Number(/\d+/.exec(name)![0])}</h2>\n<img src="${name}" alt="Pictures of held-out prompts">`).join('\n')}
</html>
`;
}

/** Without what was taken back: a run that goes on from a save repeats the steps since. */
function latestRun(entries: readonly StageProgress[]): StageProgress[] {
  const kept: StageProgress[] = [];
  for (const entry of entries) {
    while (kept.length > 0 && kept.at(-1)!.step >= entry.step) kept.pop();
    kept.push(entry);
  }
  return kept;
}

function curve(stage: string, entries: readonly StageProgress[]): string {
  const { step, steps, loss, samplesPerSecond, secondsLeft } = entries.at(-1)!;
  const left = step === steps ? 'done' : `${minutes(secondsLeft)} left`;
  const points = entries.map((entry) => [entry.step, entry.loss] as const);
  return `<h2>${stage}</h2>
<p>Step ${step} of ${steps} · loss ${loss.toFixed(4)} · ${samplesPerSecond.toFixed(1)} samples/s · ${left}</p>
${lossCurve([{ name: stage, points }], 'loss')}`;
}

function minutes(seconds: number): string {
  const all = Math.ceil(seconds / 60);
  return all < 60 ? `${all} min` : `${Math.floor(all / 60)} h ${all % 60} min`;
}
