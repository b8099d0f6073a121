/**
 * @file Subjects in prompts: the training prompt, and a member's prompt with each subject's name replaced by its
 * token. The bot checks prompts with it, and the worker draws them.
 */
import type { Subject } from './records.ts';

/** The part of a subject that prompts need. */
export type PromptSubject = Pick<Subject, 'id' | 'name' | 'className' | 'token' | 'championId'>;

/** `{token} {class}`: a rare token before the class word (DreamBooth, arXiv 2208.12242, §3.1). */
export function subjectWords(subject: Pick<Subject, 'className' | 'token'>): string {
  return `${subject.token} ${subject.className}`;
}

/** Returns the prompt of photos without a caption: `a {token} {class}`. */
export function trainingPrompt(subject: Pick<Subject, 'className' | 'token'>): string {
  return `a ${subjectWords(subject)}`;
}

/** Returns the prompt of class pictures, for prior preservation: `a {class}`. */
export function classPrompt({ className }: Pick<Subject, 'className'>): string {
  return `a ${className}`;
}

export interface ResolvedPrompt {
  /** The text for the model. */
  readonly text: string;
  /** The subjects whose adapters are used. */
  readonly subjects: readonly PromptSubject[];
  /** Other subjects in the prompt, in order; each is drawn as an ordinary member of its class. */
  readonly others: readonly PromptSubject[];
}

/** Scripts without spaces between words: there, a name can touch its neighbours. */
const UNSPACED = String.raw`\p{Script=Han}\p{Script=Hiragana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}`;
const WORD = String.raw`[\p{L}\p{M}\p{Nd}_]`;

const isUnspaced = new RegExp(`^[${UNSPACED}]$`, 'u');
/** A letter that can't touch a name on either side. */
const isTouching = new RegExp(`^(?![${UNSPACED}])${WORD}$`, 'u');
const isMark = /^\p{M}$/u;

/** Returns a regular expression for a whole word, in any script; to be used without regard to case. */
export function wordPattern(word: string): string {
  const escaped = word.replace(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`);
  const letters = [...word];
  const before = isUnspaced.test(letters[0] ?? '') ? '' : `(?<!(?![${UNSPACED}])${WORD})`;
  // A combining mark belongs to the letter before it in every script.
  const after = isUnspaced.test(letters.at(-1) ?? '')
    ? String.raw`(?!\p{M})`
    : `(?!(?![${UNSPACED}])${WORD})`;
  return `${before}${escaped}${after}`;
}

/** A letter without regard to case, as regular expressions fold it: never into several. */
function folded(letter: string): string {
  const upper = letter.toUpperCase();
  const lower = (upper.length === letter.length ? upper : letter).toLowerCase();
  return lower.length === letter.length ? lower : letter;
}

/** A prompt's letters, as they are and folded. */
interface Letters {
  readonly plain: readonly string[];
  readonly folded: readonly string[];
}

/** Subjects by their folded names: looked up word by word, as channels can have many. */
class Names {
  readonly #byName = new Map<string, PromptSubject>();
  /** By the first letter of names, their numbers of letters, the most first. */
  readonly #lengths = new Map<string, readonly number[]>();

  constructor(subjects: readonly PromptSubject[]) {
    for (const subject of subjects) {
      const letters = [...subject.name].map(folded);
      const [first] = letters;
      const name = letters.join('');
      if (first === undefined || this.#byName.has(name)) continue;
      this.#byName.set(name, subject);
      const lengths = new Set(this.#lengths.get(first)).add(letters.length);
      this.#lengths.set(
        first,
        [...lengths].sort((a, b) => b - a),
      );
    }
  }

  /** Returns the subject with the longest name that stands at a place as a whole word, and its number of letters. */
  at({ plain: letters, folded }: Letters, place: number): { subject: PromptSubject; length: number } | null {
    const first = letters[place] ?? '';
    if (!isUnspaced.test(first) && isTouching.test(letters[place - 1] ?? '')) return null;
    for (const length of this.#lengths.get(folded[place] ?? '') ?? []) {
      const subject = this.#byName.get(folded.slice(place, place + length).join(''));
      if (subject === undefined) continue;
      const last = letters[place + length - 1] ?? '';
      const next = letters[place + length] ?? '';
      if (!(isUnspaced.test(last) ? isMark : isTouching).test(next)) return { subject, length };
    }
    return null;
  }
}

/** Returns every mention of a subject in a prompt, in order; longer names win over names inside them. */
function mentions(prompt: string, subjects: readonly PromptSubject[]) {
  if (subjects.length === 0) return [];
  const names = new Names(subjects);
  const letters = [...prompt];
  const both = { plain: letters, folded: letters.map(folded) };
  const found: { subject: PromptSubject; start: number; end: number }[] = [];
  let start = 0;
  for (let place = 0; place < letters.length;) {
    const mention = names.at(both, place);
    const end = start + letters.slice(place, place + (mention?.length ?? 1)).join('').length;
    if (mention !== null) found.push({ subject: mention.subject, start, end });
    place += mention?.length ?? 1;
    start = end;
  }
  return found;
}

/** Most subjects in one set: each needs its adapter's memory, and the model mixes up many subjects. */
export const MOST_SUBJECTS = 3;

/**
 * Replaces the names of subjects with words that the model knows: `{token} {class}` for subjects whose adapter is used,
 * the class word for others.
 *
 * @param subjects - the channel's subjects
 * @param chosen - ids of the subjects to draw; [] changes nothing. By default, the first `MOST_SUBJECTS` named ones that
 * have a champion, or else the first named one. A chosen subject that the prompt does not name replaces the first
 * mention of its class word, or else goes in front.
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
  const trained = named.filter((each) => each.championId !== null);
  const drawn =
    chosen === undefined
      ? trained.length > 0
        ? trained.slice(0, MOST_SUBJECTS)
        : named.slice(0, 1)
      : chosen.flatMap((id) => subjects.find((each) => each.id === id) ?? []);
  if (drawn.length === 0) return { text: prompt, subjects: [], others: [] };

  let text = '';
  let from = 0;
  for (const { subject, start, end } of found) {
    text += normal.slice(from, start);
    text += drawn.includes(subject) ? subjectWords(subject) : subject.className;
    from = end;
  }
  text += normal.slice(from);
  for (const subject of drawn.filter((each) => !named.includes(each))) {
    const noun = new RegExp(wordPattern(subject.className), 'iu');
    text = noun.test(text)
      ? text.replace(noun, () => subjectWords(subject))
      : `${trainingPrompt(subject)}, ${text}`;
  }
  return { text, subjects: drawn, others: named.filter((each) => !drawn.includes(each)) };
}
