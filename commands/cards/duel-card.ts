/** @file The messages of a duel: its first one, which tells no score before the end, and its result. */
import { counted, percent } from '../../core/format.ts';
import type { Adapter, Duel, Picture, Subject } from '../../core/records.ts';
import type { Card, CardButton } from '../card.ts';
import { adapterName } from '../subjects/subjects.ts';
import { LONGEST_DAYS, VOTERS } from '../votes/duel-bounds.ts';
import { tallyOf, type Tally } from '../votes/duel-trials.ts';
import { plain } from './format.ts';
import { onCard } from './pictures.ts';

export interface DuelCardSource {
  readonly duel: Duel;
  readonly subject: Subject;
  readonly memberName: string;
  /** null after it was deleted. */
  readonly first: Adapter | null;
  readonly second: Adapter | null;
  /** The winner's pictures of pairs that it won, best first; [] while nobody has won. */
  readonly best: readonly Picture[];
  /** Its adapters are the finalists of a sweep. */
  readonly sweeps: boolean;
  /** The duel made the winner the champion. */
  readonly crowned: boolean;
}

const nameOf = (subject: Subject, adapter: Adapter | null): string =>
  adapter === null ? 'a deleted adapter' : plain(adapterName(subject, adapter));

/** How a duel ended, in a few words. */
const ENDS: Readonly<Record<Duel['state'], string>> = {
  open: 'open',
  decided: 'decided',
  undecided: 'not decided',
  cancelled: 'cancelled',
  stopped: 'stopped',
};

/** What depends on a duel, if anything does. */
function stakesText({ duel, subject, first, sweeps }: DuelCardSource): string[] {
  const name = plain(subject.name);
  if (sweeps)
    return [
      `Both are finalists of a sweep. The winner becomes the champion of ${name}, and its \`a1\`, \`a2\` and \`lr\` the settings of this channel.`,
    ];
  return duel.runId === null
    ? []
    : [`If ${nameOf(subject, first)} wins, it becomes the champion of ${name}.`];
}

/** What becomes of the adapters of a refinement or a sweep. */
function outcomeText(
  { duel, subject, first, sweeps, crowned }: DuelCardSource,
  winner: Adapter | null,
): string[] {
  const rollback = `\`/krona adapters rollback ${plain(subject.name)}\` returns to the one before.`;
  if (sweeps) {
    if (winner === null) return ['The settings of the channel stay, and both are kept as adapters.'];
    const { a1, a2, lr } = winner.settings;
    return [
      `This channel now trains with \`a1\` ${a1}, \`a2\` ${a2} and \`lr\` ${lr}.`,
      ...(crowned ? [rollback] : []),
    ];
  }
  if (crowned) return [rollback];
  return duel.runId !== null && first !== null && winner?.id !== first.id
    ? [`${nameOf(subject, first)} is kept as an adapter, and the champion stays.`]
    : [];
}

/** Returns the card that opens a duel. */
export function duelCard(source: DuelCardSource): Card {
  const { duel, subject, memberName, first, second } = source;
  const { trials, prompts, endsAt } = duel;
  const open = duel.state === 'open';
  return {
    tone: open ? 'progress' : 'info',
    title: `Blind duel: ${nameOf(subject, first)} against ${nameOf(subject, second)}`,
    text: open
      ? [
          'Krona posts pairs of pictures, one of each adapter, with the same prompt and seed, in random order. Vote for the better one. Krona tells who drew which when the duel ends.',
          `A pair is closed once ${VOTERS} members have voted for one of its pictures; later votes don’t change it. ` +
            `Votes of ${plain(memberName)} don’t count, because they asked for it.`,
          ...stakesText(source),
        ]
      : [`This duel is ${ENDS[duel.state]}. The result is in a separate message.`],
    fields: [
      { name: 'closed pairs', value: `${trials.length} of at most ${prompts.length}` },
      { name: 'requested by', value: plain(memberName) },
      ...(open
        ? [
            {
              name: 'ends',
              value: `when it is decided, or after ${LONGEST_DAYS} days (${endsAt.toISOString().slice(0, 10)})`,
            },
          ]
        : []),
    ],
    ...(open && { buttons: [{ action: `cancel:${duel.id}`, label: 'Cancel', style: 'danger' } as const] }),
    follows: { kind: 'duel', id: duel.id },
  };
}

/** The share of the winner, or of the first while there is none. */
function shareText(names: Record<'first' | 'second', string>, tally: Tally): string {
  const { winner, wins, losses, low, high } = tally;
  const all = wins + losses;
  if (all === 0) return 'No pair had enough votes.';
  const [name, won, from, to] =
    winner === 'second' ? [names.second, losses, 1 - high, 1 - low] : [names.first, wins, low, high];
  return `${name} won ${won} of ${counted(all, 'pair')}: ${percent(won / all)} (95% interval: ${percent(from)} to ${percent(to)}).`;
}

function titleOf(source: DuelCardSource, winner: string | null): string {
  const { duel, subject, crowned } = source;
  if (crowned) return `${winner} won the duel and is the new champion of ${plain(subject.name)}`;
  if (duel.state === 'decided') return `${winner} won the duel`;
  return `The duel is ${ENDS[duel.state]}`;
}

/** Returns the card of a duel's result. */
export function verdictCard(source: DuelCardSource): Card {
  const { duel, subject, first, second, best } = source;
  const tally = tallyOf(duel.trials);
  const names = { first: nameOf(subject, first), second: nameOf(subject, second) };
  const decided = duel.state === 'decided' ? tally.winner : null;
  const winner = decided === null ? null : decided === 'first' ? first : second;
  const crown: CardButton[] =
    winner === null || winner.id === subject.championId
      ? []
      : [{ action: `champion:${winner.id}`, label: 'Make champion' }];
  const voided = duel.trials.length - tally.wins - tally.losses;
  return {
    tone: decided === null ? 'info' : 'success',
    title: titleOf(source, decided && names[decided]),
    text: [
      `${duel.reason === null ? '' : `${plain(duel.reason, 600)} `}${shareText(names, tally)}`,
      ...(decided === null ? ['Neither adapter is better beyond chance.'] : []),
      ...outcomeText(source, winner),
      'The messages of the pairs now say who drew which picture.',
    ],
    fields: [
      {
        name: 'votes',
        value: `${tally.votes.first} for ${names.first}, ${tally.votes.second} for ${names.second}`,
      },
      { name: 'pairs', value: `${duel.trials.length} closed${voided > 0 ? `, ${voided} of them void` : ''}` },
    ],
    ...(best.length > 0 && {
      pictures: best.map((picture) => ({
        ...onCard(picture),
        alt: `A picture of ${plain(subject.name)} by the winner`,
      })),
    }),
    ...(crown.length > 0 && { buttons: crown }),
  };
}
