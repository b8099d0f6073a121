/** @file The cards of a sweep: the question before it, its message, and the cells that can be cancelled. */
import { counted, duration } from '../../core/format.ts';
import type { Run, Sweep, SweptCell } from '../../core/records.ts';
import { cellName, type Rung } from '../../core/sweep-plan.ts';
import { hasEnded } from '../../core/work-state.ts';
import type { Card, CardButton } from '../card.ts';
import { adapterName } from '../subjects/subjects.ts';
import type { PlannedSweep } from '../work/sweep-plan.ts';
import { plain } from './format.ts';
import { onCard } from './pictures.ts';
import type { RunCardSource } from './run-card.ts';
import { WORK_TONES, workProgress } from './work-progress.ts';

/** `12 cells for 25 steps each, the best 6 up to 50, the best 2 up to 100`. */
function rungsText(rungs: readonly Rung[]): string {
  return rungs
    .map(({ cells, steps }, n) =>
      n === 0 ? `${cells} cells for ${counted(steps, 'step')} each` : `the best ${cells} up to ${steps}`,
    )
    .join(', ');
}

/** Returns the question whether to start. @param action of the button */
export function askCard(
  { subject, axes, rungs, time, trainings, photos }: PlannedSweep,
  action: string,
): Card {
  const name = plain(subject.name);
  return {
    tone: 'info',
    title: `Start a sweep of ${name}?`,
    text: [
      `It takes about **${duration(time.seconds)}** (${time.basis}), and longer if other trainings come: they go first. ` +
        `It counts as ${counted(trainings, 'training')}.`,
      `Krona trains ${rungsText(rungs)}. Then members choose between the two best in a blind duel. The winner becomes the ` +
        `champion of ${name}, and its \`a1\`, \`a2\` and \`lr\` the settings of this channel.`,
    ],
    fields: [
      { name: 'a1', value: axes.a1.join(', ') },
      { name: 'a2', value: axes.a2.join(', ') },
      { name: 'lr', value: axes.lr.join(', ') },
      { name: 'photos', value: String(photos.length) },
    ],
    buttons: [{ action, label: 'Start', style: 'primary' }],
    audience: 'caller',
  };
}

/** Returns the title of a sweep's card. */
function sweepTitle(state: Run['state'], subjectName: string): string {
  const name = plain(subjectName);
  const titles: Readonly<Record<Run['state'], string>> = {
    queued: `Sweep of ${name} is queued`,
    running: `Sweep of ${name}`,
    done: `The sweep of ${name} is done`,
    failed: `The sweep of ${name} failed`,
    cancelled: `The sweep of ${name} was cancelled`,
  };
  return titles[state];
}

function textOf({ run, subject, adapters }: RunCardSource, { kept, finalists }: Sweep): string[] {
  const again = '`/krona sweep` starts a new one.';
  if (run.state === 'failed') return [plain(run.failure?.message ?? 'The sweep failed.', 600), again];
  if (run.state === 'cancelled') return [again];
  if (run.state !== 'done')
    return ['The better half of the cells is trained on, until two are left. Then members choose.'];
  const took = run.startedAt && run.endedAt ? (run.endedAt.getTime() - run.startedAt.getTime()) / 1000 : null;
  const names = finalists.flatMap((id) => {
    const adapter = adapters.find((each) => each.id === id);
    return adapter ? [`${plain(adapterName(subject, adapter))} (${cellName(adapter.settings)})`] : [];
  });
  return [
    kept === null
      ? `A blind duel decides between the two best, ${names.join(' and ')}: the winner becomes the champion, and its \`a1\`, \`a2\` and \`lr\` the channel’s settings.`
      : `No duel decides: ${plain(kept, 600)} Its adapters are kept: ${names.join(', ')}.`,
    ...(took === null ? [] : [`It took ${duration(took)}.`]),
  ];
}

/** How far a cell is, and what became of it. */
function stateOf(cell: SweptCell, { run, adapters }: RunCardSource, { finalists }: Sweep): string {
  if (cell.dropped) return 'cancelled';
  const chosen = adapters.some(
    ({ id, settings }) => finalists.includes(id) && cellName(settings) === cellName(cell),
  );
  if (chosen) return 'finalist';
  if (run.state === 'running' && run.progress?.phase.endsWith(` ${cellName(cell)}`)) return 'training';
  if (cell.score !== null) return counted(cell.score.step, 'step');
  return hasEnded(run) ? 'not trained' : 'waiting';
}

function tableOf(source: RunCardSource, sweep: Sweep): NonNullable<Card['table']> {
  return {
    columns: ['cell', 'score', 'state'],
    rows: sweep.cells.map((cell) => [
      `${cell.a1}×${cell.a2} · ${cell.lr}`,
      cell.score === null ? '–' : cell.score.score.toFixed(3),
      stateOf(cell, source, sweep),
    ]),
  };
}

/** The sheet, once it is drawn. */
function pictureOf({ subject, sets }: RunCardSource): Pick<Card, 'pictures'> {
  const sheet = sets.find(({ set, pictures }) => set.kind === 'samples' && pictures.length > 0);
  if (sheet === undefined) return {};
  const alt = `Sheet of the sweep of ${plain(subject.name)}: rows a1, columns a2, a block for each lr, with scores`;
  return {
    pictures: sheet.pictures.map((picture) => ({
      ...onCard(picture),
      alt,
      caption: 'rows: a1 · columns: a2 · green: finalists',
    })),
  };
}

/** Returns the card of a sweep. */
export function sweepCard(source: RunCardSource, sweep: Sweep): Card {
  const { run, subject, memberName } = source;
  const sheet = pictureOf(source);
  const progress = workProgress(run, source.position, { begins: 'starting', countsSteps: true });
  const buttons: CardButton[] = hasEnded(run)
    ? [{ action: `settings:${run.id}`, label: 'Settings' }]
    : [
        { action: `cancel:${run.id}`, label: 'Cancel', style: 'danger' },
        { action: `cells:${run.id}`, label: 'Cancel cells' },
        { action: `settings:${run.id}`, label: 'Settings' },
      ];
  return {
    tone: WORK_TONES[run.state],
    title: sweepTitle(run.state, subject.name),
    text: textOf(source, sweep),
    fields: [
      { name: 'cells', value: String(sweep.cells.length) },
      { name: 'steps', value: `up to ${run.settings.steps}` },
      { name: 'photos', value: String(run.photoHashes.length) },
      { name: 'requested by', value: plain(memberName) },
    ],
    // The sheet says the same.
    ...(!(run.state === 'done' && sheet.pictures) && { table: tableOf(source, sweep) }),
    ...(progress && { progress }),
    ...sheet,
    buttons,
    follows: { kind: 'run', id: run.id },
  };
}

/** Returns a card with a button for each cell that can be cancelled. */
export function cellsCard({ run, subject }: RunCardSource, { cells }: Sweep): Card {
  const buttons = hasEnded(run)
    ? []
    : cells.flatMap((cell, place): CardButton[] =>
        cell.dropped
          ? []
          : [{ action: `drop:${run.id}.${place}`, label: `${cell.a1}×${cell.a2} · ${cell.lr}` }],
      );
  return {
    tone: 'info',
    title: `Cells of the sweep of ${plain(subject.name)}`,
    text: [
      buttons.length === 0
        ? 'The sweep has ended.'
        : 'Each button cancels a cell (`a1`×`a2` · `lr`). The others go on, and the next best takes its place.',
    ],
    ...(buttons.length > 0 && { buttons }),
    audience: 'caller',
  };
}
