/** @file Writes the results of `krona evaluate votes`: figures with intervals over subjects, tables, a chart, a sheet. */
import { join } from 'node:path';
import { writeWhole } from '../../core/files.ts';
import { contactSheet, renderSvg, type SheetPicture } from '../pretrain/sheet.ts';
import { intervalChart } from './charts.ts';
import { readStrip, writeJson } from './files.ts';
import { groupsOf, mean, meanInterval, verdictOf, type Interval, type Verdict } from './statistics.ts';
import { isOf, championStripPath, votesStripPath, type VotesResult } from './votes-study.ts';
import { TEST_PROMPTS, type RefineSettings, type VotesSize } from './votes-plan.ts';

/** Of adapters against the champion; intervals over subjects, as the tastes of one share its champion. */
export interface VotesFigures {
  readonly name: string;
  readonly cells: number;
  readonly wins: Interval;
  readonly gain: Interval;
  readonly fidelity: Interval;
  readonly alignment: Interval;
  readonly drift: Interval;
  readonly heldOut: number | null;
}

export interface VotesReport {
  readonly grid: readonly VotesFigures[];
  readonly best: RefineSettings;
  readonly results: readonly VotesFigures[];
  /** By taste, with the usual number of votes. */
  readonly tastes: readonly VotesFigures[];
  readonly goals: readonly { readonly goal: string; readonly verdict: Verdict; readonly found: Interval }[];
}

export interface VotesFound {
  readonly grid: readonly VotesResult[];
  readonly best: RefineSettings;
  readonly results: readonly VotesResult[];
}

export async function reportVotes(
  { out, size }: { readonly out: string; readonly size: VotesSize },
  { grid, best, results }: VotesFound,
): Promise<VotesReport> {
  const kinds = groupsOf(results, nameOf).map((own) => figuresOf(nameOf(own[0]!), own));
  const usual = results.filter((each) => isOf(best, each) && each.votes === size.usual && !each.troll);
  const report: VotesReport = {
    grid: size.grid.map((each) =>
      figuresOf(
        settingsText(each),
        grid.filter((result) => isOf(each, result)),
      ),
    ),
    best,
    results: kinds,
    tastes: groupsOf(usual, ({ taste }) => taste).map((own) => figuresOf(own[0]!.taste, own)),
    goals: usual.length === 0 ? [] : goalsOf(size, kinds),
  };
  await writeJson(join(out, 'votes.json'), report);
  await writeWhole(join(out, 'votes.md'), votesTable(report));
  if (kinds.length > 0) {
    const labels = kinds.map(({ name }) => name);
    const points = kinds.map(({ name, wins }) => ({ label: name, interval: wins }));
    const chart = intervalChart('Wins against the champion', labels, [{ name: 'wins', points }]);
    await writeWhole(join(out, 'votes.png'), await renderSvg(chart));
  }
  const shown = usual.length > 0 ? usual : grid.filter((each) => isOf(best, each));
  await writeWhole(join(out, 'votes-sheet.png'), await sheet(out, shown));
  return report;
}

function nameOf({ votes, troll, how }: VotesResult): string {
  return typeof how === 'string' ? how : `${votes} votes${troll ? ', a troll' : ''}`;
}

function settingsText({ loss, beta, photoWeight, exampleShare, steps, lr }: RefineSettings): string {
  const ofPairs = loss === 'examples' ? '' : `, β ${beta}, photos ${photoWeight}`;
  return `${loss}${ofPairs}${exampleShare > 0 ? `, examples first ${exampleShare}` : ''}, ${steps} steps, lr ${lr}`;
}

function figuresOf(name: string, results: readonly VotesResult[]): VotesFigures {
  const bySubject = groupsOf(results, ({ subject }) => subject);
  const over = (value: (result: VotesResult) => number): Interval =>
    meanInterval(bySubject.map((own) => mean(own.map(value))));
  const measured = results.flatMap(({ heldOut }) => (heldOut === null ? [] : [heldOut.accuracy]));
  return {
    name,
    cells: results.length,
    wins: over(({ wins }) => wins),
    gain: over(({ gain }) => gain),
    fidelity: over(({ adapter, champion }) => adapter.fidelity - champion.fidelity),
    alignment: over(({ adapter, champion }) => adapter.alignment - champion.alignment),
    drift: over(({ adapter, champion }) => adapter.drift - champion.drift),
    heldOut: measured.length === 0 ? null : mean(measured),
  };
}

function goalsOf({ usual }: VotesSize, kinds: readonly VotesFigures[]): VotesReport['goals'] {
  const above = ({ estimate, low, high, units }: Interval, bound: number): Interval => ({
    estimate: estimate - bound,
    low: low - bound,
    high: high - bound,
    units,
  });
  const named = (name: string) => kinds.filter((each) => each.name === name);
  return [
    ...named(`${usual} votes`).flatMap(({ wins, fidelity }) => [
      {
        goal: `with ${usual} votes of 4 members wins at least 65%`,
        verdict: wins.estimate >= 0.65 ? ('true' as const) : ('false' as const),
        found: wins,
      },
      { goal: 'the same, lower bound above 55%', verdict: verdictOf(above(wins, 0.55)), found: wins },
      { goal: 'fidelity not lower than −0.02', verdict: verdictOf(fidelity, 0.02), found: fidelity },
    ]),
    ...named(`${usual} votes, a troll`).map(({ wins }) => ({
      goal: 'with a troll in five wins more than half',
      verdict: verdictOf(above(wins, 0.5)),
      found: wins,
    })),
  ];
}

const shown = ({ estimate, low, high }: Interval): string =>
  `${estimate.toFixed(3)} (${low.toFixed(3)} to ${high.toFixed(3)})`;

export function votesTable({ grid, results, tastes, goals }: VotesReport): string {
  const rows = (figures: readonly VotesFigures[]): string =>
    [
      '|  | cells | wins | gain | fidelity | alignment | drift | held-out accuracy |',
      '| --- | --- | --- | --- | --- | --- | --- | --- |',
      ...figures.map(
        ({ name, cells, wins, gain, fidelity, alignment, drift, heldOut }) =>
          `| ${name} | ${cells} | ${[wins, gain, fidelity, alignment, drift].map(shown).join(' | ')} | ${heldOut?.toFixed(3) ?? ''} |`,
      ),
    ].join('\n');
  return [
    'All figures are those of an adapter minus the champion’s, except wins; 95% intervals over subjects.',
    ...(results.length > 0 ? [`Results:\n\n${rows(results)}`, `By taste:\n\n${rows(tastes)}`] : []),
    `Settings, on other subjects:\n\n${rows(grid)}`,
    ...goals.map(({ goal, verdict, found }) => `- ${goal}: **${verdict}**, ${shown(found)}`),
    '',
  ].join('\n\n');
}

/** Rows of pictures: the champion's and below them the refined adapter's, from the same prompts and seeds. */
async function sheet(out: string, results: readonly VotesResult[]): Promise<Buffer> {
  const cells: SheetPicture[] = [];
  for (const result of results) {
    const champion = (await readStrip(championStripPath(out, result.subject))) ?? [];
    const refined = (await readStrip(votesStripPath(out, result))) ?? [];
    const step = Math.max(1, champion.length / TEST_PROMPTS.length);
    for (const [pictures, name] of [
      [champion, 'champion'],
      [refined, result.taste],
    ] as const)
      for (let n = 0; n < TEST_PROMPTS.length; n++) {
        const image = pictures[n * step];
        if (image) cells.push({ image, label: `${result.subject}: ${name}` });
      }
  }
  return contactSheet(cells, { columns: 2 * TEST_PROMPTS.length });
}
