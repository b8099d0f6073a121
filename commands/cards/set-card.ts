/** @file The message about a set, from queued to pictures with votes. */
import { hasEnded } from '../../core/work-state.ts';
import type {
  Adapter,
  Duel,
  HeldPicture,
  Picture,
  PictureSet,
  SetPreview,
  VoteFact,
} from '../../core/records.ts';
import type { ResolvedPrompt } from '../../core/prompt.ts';
import { enlargesSent, isOnlyEnlarged } from '../../core/pictures/enlarged-size.ts';
import type { Split, Upscale } from '../../core/settings/choices.ts';
import type { Card, CardButton, CardMenu } from '../card.ts';
import { adapterName } from '../subjects/subjects.ts';
import { counted, percent } from '../../core/format.ts';
import { fieldsOf, plain } from './format.ts';
import { heldText } from './pictures.ts';
import { votedPictures } from './votes.ts';
import { WORK_TONES, workProgress } from './work-progress.ts';

export interface SetCardSource {
  readonly set: PictureSet;
  /** The duel whose pair this is; null for all other sets. */
  readonly duel: Duel | null;
  readonly pictures: readonly Picture[];
  readonly held: readonly HeldPicture[];
  /** null unless it is being drawn. */
  readonly preview: SetPreview | null;
  /** Votes on this set, oldest first. */
  readonly facts: readonly VoteFact[];
  /** The member who requested it. */
  readonly memberName: string;
  /** The set's prompt, resolved for the model. */
  readonly resolved: ResolvedPrompt;
  /** The adapters that draw it, without deleted ones; none of a duel that is open. */
  readonly adapters: readonly Adapter[];
  /** 1 for the next to run; null unless it is queued. */
  readonly position: number | null;
}

function progressOf({ set, position }: SetCardSource): Card['progress'] {
  if (set.state === 'queued' && set.awaitsRunId !== null)
    return { fraction: null, label: 'queued behind the training' };
  return workProgress(set, position, { begins: 'drawing', countsSteps: false });
}

/** What members can do with a pair of an open duel. */
function pairText({ duelPlace }: PictureSet, { trials }: Duel): string {
  return trials.some(({ place }) => place === duelPlace)
    ? 'This pair is closed. Krona tells who drew which picture when the duel ends.'
    : 'Which is better? Vote for one. Each picture is by one of the two adapters.';
}

function textOf({ set, duel, held, resolved }: SetCardSource): string[] {
  const text = heldText(held);
  if (duel?.state === 'open' && hasEnded(set)) text.push(pairText(set, duel));
  if (set.kind === 'finals')
    text.push('React to the best picture. Votes choose the adapter that the channel uses next.');
  if (set.state === 'failed') text.push(plain(set.failure?.message ?? 'Drawing failed.', 600));
  if (set.state === 'cancelled') text.push('Cancelled.');
  const [awaited] = resolved.subjects;
  if (set.state === 'queued' && set.awaitsRunId !== null && awaited)
    text.push(`${plain(awaited.name)} is still being trained. Krona draws these pictures when that is done.`);
  for (const other of resolved.others)
    text.push(`${plain(other.name)} is drawn as an ordinary ${plain(other.className)}, without an adapter.`);
  return text;
}

/** Why an adapter can't draw that was trained on another model. */
const OTHER_MODEL: ReadonlySet<string> = new Set([
  'ADAPTER_OTHER_BASE',
  'ADAPTER_BASE_MISMATCH',
  'ADAPTER_TARGETS_UNSUPPORTED',
]);

/** Whether a set failed because an adapter was trained on another model. */
export const needsTraining = ({ failure }: Pick<PictureSet, 'failure'>): boolean =>
  failure !== null && OTHER_MODEL.has(failure.code);

/** Buttons for the whole set. */
function buttonsOf({ set, duel, adapters, resolved }: SetCardSource): CardButton[] {
  const remove: CardButton = { action: `delete:${set.id}`, label: 'Delete', style: 'danger' };
  // Pictures that are drawn from one of a pair would tell its adapter.
  if (duel?.state === 'open') return hasEnded(set) ? [remove] : [];
  if (!hasEnded(set)) return [{ action: `cancel:${set.id}`, label: 'Cancel', style: 'danger' }];
  const drawn = resolved.subjects.filter(({ id }) => adapters.some(({ subjectId }) => subjectId === id));
  const retrained = needsTraining(set) ? drawn : [];
  return [
    ...retrained.map(({ id, name }): CardButton => ({
      action: `retrain:${id}`,
      label: `Train ${name} again`,
      style: 'primary',
    })),
    // There is nothing to draw another one of.
    ...(enlargesSent(set) ? [] : [{ action: `again:${set.id}`, label: 'Again', style: 'primary' } as const]),
    { action: `details:${set.id}`, label: 'Details' },
    remove,
  ];
}

/** What can be done with each picture: of four pictures, too much for buttons. */
function menuOf({ set, duel, pictures }: SetCardSource): CardMenu | undefined {
  if (!hasEnded(set) || duel?.state === 'open' || pictures.length === 0) return undefined;
  const each = (verb: string, label: string): CardMenu['choices'] =>
    pictures.map(({ id, index }) => ({ action: `${verb}:${id}`, label: `${label} ${index + 1}` }));
  return {
    label: 'Do more with a picture',
    choices: [
      ...(enlargesSent(set) ? [] : each('vary', 'Vary')),
      ...(set.kind === 'upscale' ? [] : each('upscale', 'Upscale')),
      ...each('emoji', 'Emoji'),
    ],
  };
}

/** An adapter's name; none when its subject was deleted. */
function nameIn({ resolved }: SetCardSource, adapter: Adapter): string[] {
  const subject = resolved.subjects.find(({ id }) => id === adapter.subjectId);
  return subject === undefined ? [] : [plain(adapterName(subject, adapter))];
}

/** A field with the adapters' names; none when there are none. */
function adapterField(source: SetCardSource): { name: string; value: string }[] {
  const { duel, adapters, pictures } = source;
  if (duel !== null) {
    // One can be held back by the safety check, and an adapter can be deleted since.
    const drawn = pictures.flatMap(({ index, adapterId }) => {
      const adapter = adapters.find(({ id }) => id === adapterId);
      return adapter === undefined ? [] : nameIn(source, adapter).map((name) => `${index + 1}: ${name}`);
    });
    return drawn.length === 0 ? [] : [{ name: 'drawn by', value: drawn.join(' · ') }];
  }
  const names = adapters.flatMap((adapter) => nameIn(source, adapter));
  if (names.length === 0) return [];
  return [{ name: names.length === 1 ? 'adapter' : 'adapters', value: names.join(' and ') }];
}

/** What the next picture looks like so far; none of one that is done. */
function previewOf({ set, pictures, held, preview }: SetCardSource): Card['preview'] {
  if (preview === null || set.state !== 'running' || preview.place < pictures.length + held.length)
    return undefined;
  return {
    alt: `Picture ${pictures.length + 1} so far`,
    image: Buffer.from(preview.image).toString('base64'),
  };
}

/** Returns the title over a finished run's pictures. */
export const finalsTitle = (subjectName: string): string => `Which ${plain(subjectName)} is the best?`;

function titleOf({ set, resolved }: SetCardSource): string {
  const [subject] = resolved.subjects;
  if (set.kind === 'finals' && subject) return finalsTitle(subject.name);
  return enlargesSent(set) ? `Upscaled: ${plain(set.prompt)}` : plain(set.prompt);
}

/** Returns the card of a set. */
export function setCard(source: SetCardSource): Card {
  const { set, pictures, facts, memberName } = source;
  const progress = progressOf(source);
  const preview = previewOf(source);
  const menu = menuOf(source);
  return {
    tone: WORK_TONES[set.state],
    title: titleOf(source),
    text: textOf(source),
    fields: [
      // Finals don't tell which adapter drew which picture: people would vote for the step.
      ...(set.kind === 'finals' ? [] : adapterField(source)),
      { name: 'requested by', value: plain(memberName) },
    ],
    ...(progress && { progress }),
    ...(preview && { preview }),
    ...(pictures.length > 0 && {
      pictures: votedPictures(pictures, facts, plain(set.prompt)),
      votesOn: set.id,
    }),
    buttons: buttonsOf(source),
    ...(menu && { menu }),
    follows: { kind: 'set', id: set.id },
  };
}

function beginningOf({ kind, start }: PictureSet): string | null {
  if (start === null || kind === 'upscale') return null;
  if (start.blobHash === null) return 'a picture that was deleted';
  return `${start.maskHash === null ? 'a picture' : 'a part of a picture'}, of which ${percent(start.change)} can change`;
}

function steeringOf({ steering }: PictureSet): string | null {
  if (steering === null) return null;
  const { liked, disliked } = steering;
  return [
    ...(liked.length > 0 ? [`more like ${counted(liked.length, 'liked picture')}`] : []),
    ...(disliked.length > 0 ? [`less like ${counted(disliked.length, 'disliked one')}`] : []),
  ].join(', ');
}

function lengthOf({ promptLength }: PictureSet): string | null {
  if (promptLength === null) return null;
  const { tokens, chunks } = promptLength;
  return `${counted(tokens, 'token')}${chunks > 1 ? `, read in ${chunks} chunks` : ''}`;
}

/** Where several subjects stand. */
const SPLIT_TEXTS: Readonly<Record<Split, string>> = {
  auto: 'by the words of the prompt',
  'left-right': 'side by side',
  'top-bottom': 'one above the other',
  none: 'anywhere',
};

/** How a picture was enlarged. */
const UPSCALED: Readonly<Record<Upscale, string>> = {
  redraw: 'drawn again at twice its size',
  x2: 'enlarged to twice its size',
  x4: 'enlarged to four times its size',
};

type Row = [string, string | null];

function originalOf({ start }: PictureSet): string {
  if (start === null) return 'a picture of another set';
  return start.blobHash === null ? 'a picture that was deleted' : 'a picture that was sent';
}

/** Returns everything that is needed to draw a set again, for the `details` button. */
export function detailsCard(source: SetCardSource): Card {
  const { set, pictures, resolved, adapters } = source;
  const { settings } = set;
  const from: Row = [
    'upscaled from',
    set.kind === 'upscale' ? `${originalOf(set)}, ${UPSCALED[settings.upscale]}` : null,
  ];
  const rows: Row[] = [
    ['variation of', set.variationOf === null ? null : 'a picture of another set'],
    from,
    ['begins with', beginningOf(set)],
    ['steered by votes', steeringOf(set)],
    ['prompt', plain(set.prompt, 1000)],
    ['prompt for the model', resolved.text === set.prompt ? null : plain(resolved.text, 1000)],
    ['prompt length', lengthOf(set)],
    ['negative prompt', set.negative === null ? null : plain(set.negative, 1000)],
    ...adapterField(source).map(({ name, value }): [string, string] => [name, value]),
    ['strength', adapters.length > 0 ? String(set.strength) : null],
    ['places of subjects', adapters.length > 1 && set.start === null ? SPLIT_TEXTS[settings.split] : null],
    ['seed', String(set.seed)],
    ['picture seeds', pictures.map(({ seed }) => seed).join(', ') || null],
    ...pictures.flatMap(({ prompt, index }): [string, string][] =>
      prompt === null ? [] : [[`picture ${index + 1}`, plain(prompt, 300)]],
    ),
    ['guidance', String(settings.guidance)],
    ['guidance rescale', settings.rescale > 0 ? String(settings.rescale) : null],
    ['speed', settings.speed],
    [
      'scheduler',
      settings.scheduler ?? (settings.speed === null ? 'the model’s default' : 'of the speed file'),
    ],
    ['sampling steps', String(settings.samplingSteps)],
    ['quality', settings.quality === 'exact' ? null : settings.quality],
    ['size', settings.size],
    ['refiner share', settings.refine > 0 && set.kind !== 'upscale' ? String(settings.refine) : null],
  ];
  return {
    tone: 'info',
    title: 'Details',
    // Nothing else says anything about a picture that a network enlarged.
    fields: fieldsOf(isOnlyEnlarged(set) ? [from] : rows),
    audience: 'caller',
  };
}
