/** @file Opens duels. The bot then posts their pairs and counts the votes (advance-duel.ts). */
import { randomInt, randomUUID } from 'node:crypto';
import { KronaError } from '../../core/errors.ts';
import type { Adapter, Channel, Duel, Member, Subject } from '../../core/records.ts';
import { randomSeed } from '../../core/seeds.ts';
import type { Records } from '../../storage/records.ts';
import { promptTexts } from '../rules/prompt-texts.ts';
import { refusedWord } from '../rules/words.ts';
import { LONGEST_DAYS, PROMPTS } from './duel-bounds.ts';
import { candidates } from './react.ts';

const DAY = 24 * 3600_000;

/** Two adapters of a subject to compare. */
export interface Contest {
  readonly subject: Subject;
  readonly first: Adapter;
  readonly second: Adapter;
  /** Members' prompts, used again and again with other seeds if there are fewer than pairs; none: the channel's own. */
  readonly prompts?: readonly string[];
  /** Pairs at most; default PROMPTS.default. */
  readonly pairs?: number;
  /** The refinement whose result the first adapter is, or the sweep whose finalists both are. */
  readonly runId?: string;
}

/**
 * Adds a duel with its message. Call it inside a transaction.
 *
 * @param by - the member who asks for it, whose votes don't count
 * @throws KronaError DUEL_SAME, DUEL_OPEN, DUEL_OTHER_MODEL
 */
export async function openDuel(
  records: Records,
  by: { readonly channel: Channel; readonly member: Member },
  { subject, first, second, prompts = [], pairs = PROMPTS.default, runId }: Contest,
): Promise<Duel> {
  const channelId = by.channel.id;
  await checkContest(records, subject, first, second);
  const asked = prompts.length > 0 ? prompts : await ownPrompts(records, subject);
  const duel = await records.addDuel({
    id: randomUUID(),
    channelId,
    subjectId: subject.id,
    memberId: by.member.id,
    firstId: first.id,
    secondId: second.id,
    runId: runId ?? null,
    prompts: Array.from({ length: pairs }, (_, n) => asked[n % asked.length] ?? subject.name),
    swapped: Array.from({ length: pairs }, () => randomInt(2) === 1),
    seed: randomSeed(),
    // The adapters' model draws, also where the channel has another one by now.
    settings: ((await records.channelById(channelId, first.model)) ?? by.channel).settings,
    endsAt: new Date(Date.now() + LONGEST_DAYS * DAY),
  });
  await records.addPost({ id: randomUUID(), channelId, kind: 'duel', targetId: duel.id });
  return duel;
}

async function checkContest(
  records: Records,
  subject: Subject,
  first: Adapter,
  second: Adapter,
): Promise<void> {
  if (first.id === second.id)
    throw new KronaError(
      'DUEL_SAME',
      'A duel needs two different adapters. `/krona adapters list` shows their names.',
    );
  const open = await records.openDuels(subject.channelId);
  if (open.some(({ subjectId }) => subjectId === subject.id))
    throw new KronaError(
      'DUEL_OPEN',
      `A duel of ${subject.name} is open. Wait for its end, or cancel it with the button on its message.`,
    );
  const fitting = candidates([first, second], await records.championChanges(subject.id));
  if (fitting.length < 2 || first.model !== second.model)
    throw new KronaError(
      'DUEL_OTHER_MODEL',
      `One of these adapters was trained on another model. Choose adapters that were trained since.`,
    );
}

/** The channel's prompts of a subject, newest first, without those that its rules refuse by now. */
async function ownPrompts(records: Records, subject: Subject): Promise<string[]> {
  const { words } = await records.rules(subject.channelId);
  const subjects = await records.subjects(subject.channelId);
  const all = await records.promptsOfSubject(subject.id);
  const prompts = all.filter((prompt) => isAllowed(words, () => promptTexts(prompt, subjects, subject.id)));
  return prompts.length > 0 ? prompts : [`a ${subject.name}`];
}

/** @param texts - may throw PROMPT_WEIGHT_INVALID: earlier releases drew weights that the model does not get any more */
function isAllowed(words: readonly string[], texts: () => readonly string[]): boolean {
  try {
    return refusedWord(words, texts()) === null;
  } catch (error) {
    if (error instanceof KronaError && error.code === 'PROMPT_WEIGHT_INVALID') return false;
    throw error;
  }
}
