/** @file The message about a run, from queued to done. */
import { at } from '../../core/at.ts';
import { hasEnded } from '../../core/work-state.ts';
import type {
  Adapter,
  HeldPicture,
  PairFigures,
  Picture,
  PictureSet,
  Refinement,
  Run,
  Subject,
} from '../../core/records.ts';
import type { Card, CardButton, CardChart, CardFile } from '../card.ts';
import { adapterName } from '../subjects/subjects.ts';
import { counted, duration } from '../../core/format.ts';
import { plain, trainingWords } from './format.ts';
import { heldText } from './pictures.ts';
import { votedPictures } from './votes.ts';
import { WORK_TONES, workProgress } from './work-progress.ts';

export interface RunCardSource {
  readonly run: Run;
  readonly subject: Subject;
  /** The member who requested it. */
  readonly memberName: string;
  /** This run's adapters, in any order. */
  readonly adapters: readonly Adapter[];
  /** Samples and finals of this run, oldest first. */
  readonly sets: readonly {
    readonly set: PictureSet;
    readonly pictures: readonly Picture[];
    readonly held: readonly HeldPicture[];
  }[];
  /** 1 for the next to run; null unless it is queued. */
  readonly position: number | null;
}

function textOf(source: RunCardSource): string[] {
  const { run, subject, adapters, sets } = source;
  const name = plain(subject.name);
  const again = `\`/krona ${run.refinement === null ? 'train' : 'refine'} subject:${name}\` starts a new run.`;
  if (run.state === 'failed') return [plain(run.failure?.message ?? 'The training failed.', 600), again];
  if (run.state === 'cancelled') {
    const kept = `\`/krona adapters\` keeps its ${counted(adapters.length, 'checkpoint')}.`;
    return adapters.length > 0 ? [kept, again] : [again];
  }
  if (run.state !== 'done') return resumedText(run);
  const took = run.startedAt && run.endedAt ? (run.endedAt.getTime() - run.startedAt.getTime()) / 1000 : null;
  return [
    ...(run.refinement === null
      ? [`Draw with it: \`/krona imagine a watercolour of ${name}\`.`]
      : judgedText(run.refinement)),
    ...keptText(source),
    ...(sets.some(({ set }) => set.kind === 'finals' && set.state === 'done')
      ? ['Its pictures are in a separate message. Vote for the best one.']
      : []),
    ...(took === null ? [] : [`It took ${duration(took)}.`]),
  ];
}

/** Says that its worker stopped, while another one goes on. */
function resumedText({ progress }: Run): string[] {
  const { resumed } = progress ?? {};
  if (!resumed) return [];
  const { step, elsewhere } = resumed;
  const why = elsewhere ? 'The worker stopped.' : 'The training was interrupted.';
  const goesOn = step === 0 ? 'Training starts again' : `Training goes on from step ${step}`;
  return [`${why} ${goesOn}${elsewhere ? ' on another worker' : ''}.`];
}

/** Which checkpoint was kept, and why the run ended when it did; nothing of a run that keeps the last. */
function keptText({ run, adapters }: RunCardSource): string[] {
  const final = adapters.find((adapter) => adapter.final);
  const kept = run.scores.find(({ step }) => step === final?.step);
  if (run.settings.keep !== 'best' || !kept) return [];
  const last = at(run.scores, -1).step;
  const early = last < run.settings.steps ? ` Training ended after step ${last}, as the score fell.` : '';
  return [
    `Krona kept the best checkpoint: step ${kept.step}, score ${short(kept.score)} (likeness ${short(kept.fidelity)}, ` +
      `prompts ${short(kept.alignment)}).${early}`,
  ];
}

const short = (share: number): string => share.toFixed(2);

/** How it is decided whether a refinement becomes the champion. */
function judgedText({ kept }: Refinement): string[] {
  if (kept !== null)
    return [`No duel judges it: ${plain(kept, 600)} It is kept as an adapter; \`/krona duel\` compares it.`];
  return [
    'A blind duel with the champion decides whether it replaces it. Until it wins, it is an adapter like others, and the champion stays.',
  ];
}

/** The votes that a refinement trains on. */
function votesText({ votes }: Refinement): string {
  return `${counted(votes.pairs, 'pair')} of pictures, by ${counted(votes.members, 'member')}`;
}

/** Curves with two points or more. */
function chartsOf({ losses, scores, preference }: Run): CardChart[] {
  const curve = (label: string, of: (figures: PairFigures) => number): CardChart => ({
    label: `${label} on pairs`,
    points: preference.map((point) => ({ x: point.step, y: of(point) })),
    beside: {
      label: 'on pairs held out',
      points: preference.flatMap(({ step, heldOut }) => (heldOut ? [{ x: step, y: of(heldOut) }] : [])),
    },
  });
  const charts: CardChart[] = [
    { label: 'loss', points: losses.map(({ step, loss }) => ({ x: step, y: loss })) },
    { label: 'score', points: scores.map(({ step, score }) => ({ x: step, y: score })) },
    curve('accuracy', ({ accuracy }) => accuracy),
    curve('margin', ({ margin }) => margin),
  ];
  return charts
    .filter(({ points }) => points.length > 1)
    .map(({ beside, ...chart }) => (beside && beside.points.length > 1 ? { ...chart, beside } : chart));
}

/** The newest samples, until the run is done. They change, so they take no votes; the finals do. */
function picturesOf({ run, subject, sets, adapters }: RunCardSource): Pick<Card, 'pictures'> {
  const shown = sets.findLast(({ set, pictures }) => set.kind === 'samples' && pictures.length > 0);
  if (!shown || run.state === 'done') return {};
  const { set, pictures } = shown;
  const step = adapters.find((adapter) => adapter.id === set.adapterId)?.step;
  const when = step === undefined ? '' : `step ${step} · `;
  const what = step === undefined ? subject.name : `${subject.name} at step ${step}`;
  return {
    pictures: votedPictures(pictures, [], plain(what)).map((picture) => ({
      ...picture,
      caption: `${when}${picture.caption ?? ''}`,
    })),
  };
}

function buttonsOf({ run, subject }: RunCardSource, final: Adapter | undefined): CardButton[] {
  const look: CardButton[] = [
    { action: `samples:${run.id}`, label: 'Samples' },
    { action: `settings:${run.id}`, label: 'Settings' },
  ];
  if (!hasEnded(run)) return [{ action: `cancel:${run.id}`, label: 'Cancel', style: 'danger' }, ...look];
  if (run.state !== 'done') return look;
  const draw: CardButton = { action: `hint:${subject.id}`, label: `Draw ${subject.name}`, style: 'primary' };
  // A refinement's duel decides.
  const crown = run.refinement === null && final && final.id !== subject.championId;
  return [draw, ...(crown ? [{ action: `champion:${final.id}`, label: 'Make champion' }] : []), ...look];
}

/** Returns the title of a run's card. */
export function runTitle(state: Run['state'], subjectName: string, refines = false): string {
  const name = plain(subjectName);
  const [doing, done] = refines ? ['Refining', 'refined'] : ['Training', 'trained'];
  const titles: Readonly<Record<Run['state'], string>> = {
    queued: `${doing} of ${name} is queued`,
    running: `${doing} ${name}`,
    done: `${name} is ${done}`,
    failed: `${doing} of ${name} failed`,
    cancelled: `${doing} of ${name} was cancelled`,
  };
  return titles[state];
}

/** Returns the card of a run. */
export function runCard(source: RunCardSource): Card {
  const { run, subject, memberName, adapters } = source;
  const final = adapters.find((adapter) => adapter.final);
  const file: CardFile | undefined = final && {
    name: `${adapterName(subject, final)}.safetensors`,
    blobHash: final.blobHash,
    size: final.size,
  };
  const progress = workProgress(run, source.position, { begins: 'starting', countsSteps: true });
  const charts = chartsOf(run);
  return {
    tone: WORK_TONES[run.state],
    title: runTitle(run.state, subject.name, run.refinement !== null),
    text: [
      ...textOf(source),
      ...heldText(source.sets.flatMap(({ set, held }) => (set.kind === 'samples' ? held : []))),
    ],
    fields: [
      { name: 'class', value: plain(subject.className) },
      { name: 'photos', value: String(run.photoHashes.length) },
      ...(run.refinement === null ? [] : [{ name: 'votes', value: votesText(run.refinement) }]),
      { name: 'training', value: `${trainingWords(run.settings)}, ${counted(run.settings.steps, 'step')}` },
      { name: 'requested by', value: plain(memberName) },
    ],
    ...(progress && { progress }),
    ...(charts.length > 0 && { charts }),
    ...picturesOf(source),
    ...(file && { files: [file] }),
    buttons: buttonsOf(source, final),
    follows: { kind: 'run', id: run.id },
  };
}
