/**
 * @file How a subject is spoken of in prompts: the training prompt, and a member's prompt with the subject's
 * name replaced by its token. Used by the bot to check a prompt and by the worker to draw it; reads no records.
 */
import type { Subject } from './records.ts';

/** What a prompt needs to know of a subject. */
export type PromptSubject = Pick<Subject, 'id' | 'name' | 'className' | 'token' | 'championId'>;

/** `{token} {class}`, how a subject is named to the model (DreamBooth §3.1: a rare token before its class noun). */
function inPrompt(subject: Pick<Subject, 'className' | 'token'>): string {
  return `${subject.token} ${subject.className}`;
}

/** The prompt that every photo of a subject is trained with: `a {token} {class}`. */
export function trainingPrompt(subject: Pick<Subject, 'className' | 'token'>): string {
  return `a ${inPrompt(subject)}`;
}

/** The prompt of what the model draws of a subject's class for prior preservation: `a {class}`. */
export function classPrompt({ className }: Pick<Subject, 'className'>): string {
  return `a ${className}`;
}

export interface ResolvedPrompt {
  /** What the model is given. */
  readonly text: string;
  /** The subjects whose adapters draw it; none when the prompt is about none. */
  readonly subjects: readonly PromptSubject[];
  /** Other subjects that the prompt names, in order; drawn as any member of their class. */
  readonly others: readonly PromptSubject[];
}

/** Scripts that put no space between words: a name may touch its neighbours there. */
const UNSPACED = String.raw`\p{Script=Han}\p{Script=Hiragana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}`;

/** A word, found without regard to case, that is no part of a longer word of its script. */
export function wordPattern(word: string): string {
  const escaped = word.replace(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`);
  const unspaced = new RegExp(`[${UNSPACED}]`, 'u');
  const first = [...word][0] ?? '';
  const last = [...word].at(-1) ?? '';
  const wordCharacter = String.raw`[\p{L}\p{M}\p{Nd}_]`;
  const before = unspaced.test(first) ? '' : `(?<!(?![${UNSPACED}])${wordCharacter})`;
  // A combining mark belongs to the letter before it in every script.
  const after = unspaced.test(last) ? String.raw`(?!\p{M})` : `(?!(?![${UNSPACED}])${wordCharacter})`;
  return `${before}${escaped}${after}`;
}

/** All subjects named in a prompt, in order of their first mention; longer names win over names inside them. */
function mentions(prompt: string, subjects: readonly PromptSubject[]) {
  const longestFirst = [...subjects].sort((a, b) => b.name.length - a.name.length);
  if (longestFirst.length === 0) return [];
  const pattern = new RegExp(longestFirst.map((s) => `(${wordPattern(s.name)})`).join('|'), 'giu');
  return [...prompt.matchAll(pattern)].map((match) => ({
    subject: longestFirst[match.slice(1).findIndex((group) => group !== undefined)]!,
    start: match.index,
    end: match.index + match[0].length,
  }));
}

/** Most subjects in one set: each costs its adapter's memory, and the model confuses many. */
export const MOST_SUBJECTS = 3;

/**
 * Replaces the names of a channel's subjects by what the model knows: the drawn subjects' by `{token} {class}`,
 * the others' by their class noun.
 *
 * @param subjects - the channel's subjects
 * @param chosen - ids of the subjects to draw; [] draws none and changes nothing; left out, they are the first
 * `MOST_SUBJECTS` named ones that have a champion, else the first named one. A chosen subject that the prompt does not
 * name stands in for the first mention of its class noun, else goes in front.
 * @example resolvePrompt('a watercolour of Mochi', [mochi]).text // 'a watercolour of zqkv cat'
 */
export function resolvePrompt(
  prompt: string,
  subjects: readonly PromptSubject[],
  chosen?: readonly string[],
): ResolvedPrompt {
  const normal = prompt.normalize('NFC');
  const found = mentions(normal, subjects);
  const named = [...new Set(found.map((mention) => mention.subject))];
  const learnt = named.filter((each) => each.championId !== null);
  const drawn =
    chosen === undefined
      ? learnt.length > 0
        ? learnt.slice(0, MOST_SUBJECTS)
        : named.slice(0, 1)
      : chosen.flatMap((id) => subjects.find((each) => each.id === id) ?? []);
  if (drawn.length === 0) return { text: prompt, subjects: [], others: [] };

  let text = '';
  let from = 0;
  for (const { subject, start, end } of found) {
    text += normal.slice(from, start);
    text += drawn.includes(subject) ? inPrompt(subject) : subject.className;
    from = end;
  }
  text += normal.slice(from);
  for (const subject of drawn.filter((each) => !named.includes(each))) {
    const noun = new RegExp(wordPattern(subject.className), 'iu');
    text = noun.test(text)
      ? text.replace(noun, () => inPrompt(subject))
      : `${trainingPrompt(subject)}, ${text}`;
  }
  return { text, subjects: drawn, others: named.filter((each) => !drawn.includes(each)) };
}
