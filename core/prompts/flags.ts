/** @file What members type inside a prompt as with other bots: `a cat --no dogs, hats --ar 3:2 --seed 5 --steps 30`. */
import { KronaError } from '../errors.ts';
import { suggestion } from '../nearest.ts';

/** The flags of prompts, and the option that each stands for. */
export const PROMPT_FLAGS = {
  no: 'negative',
  ar: 'size',
  seed: 'seed',
  steps: 'steps',
  style: 'style',
} as const;
export type PromptFlag = keyof typeof PROMPT_FLAGS;

export interface FlaggedPrompt {
  /** Without the flags. */
  readonly prompt: string;
  /** Values as they were typed. */
  readonly flags: Readonly<Partial<Record<PromptFlag, string>>>;
}

/** Phones make one long dash of two short ones. */
const FLAG = /^(--|—)([a-z]+)$/i;

const isFlag = (word: string): word is PromptFlag => Object.hasOwn(PROMPT_FLAGS, word);

/**
 * Takes the flags out of a prompt. `--no` takes all words up to the next flag, the others take one.
 *
 * @throws KronaError PROMPT_FLAG_UNKNOWN, PROMPT_FLAG_EMPTY, OPTION_TWICE
 */
export function splitFlags(prompt: string): FlaggedPrompt {
  if (!/--|—/.test(prompt)) return { prompt, flags: {} };
  const text: string[] = [];
  const values = new Map<PromptFlag, string[]>();
  let open: PromptFlag | null = null;
  for (const word of prompt.trim().split(/\s+/u)) {
    const flag = flagOf(word);
    if (flag !== null) {
      if (values.has(flag))
        throw new KronaError('OPTION_TWICE', `\`--${flag}\` is in the prompt twice. Write it once.`);
      values.set(flag, []);
      open = flag;
    } else if (open === null) text.push(word);
    else {
      values.get(open)?.push(word);
      if (open !== 'no') open = null;
    }
  }
  if (values.size === 0) return { prompt, flags: {} };
  const flags = [...values].map(([flag, words]) => {
    if (words.length === 0)
      throw new KronaError('PROMPT_FLAG_EMPTY', `\`--${flag}\` has no value, such as ${EXAMPLES[flag]}.`);
    return [flag, words.join(' ')] as const;
  });
  return { prompt: text.join(' '), flags: Object.fromEntries(flags) };
}

const EXAMPLES: Readonly<Record<PromptFlag, string>> = {
  no: '`--no dogs, hats`',
  ar: '`--ar 3:2`',
  seed: '`--seed 5`',
  steps: '`--steps 30`',
  style: '`--style watercolour`',
};

/** @throws KronaError PROMPT_FLAG_UNKNOWN */
function flagOf(word: string): PromptFlag | null {
  const [, dashes, typed] = FLAG.exec(word) ?? [];
  if (typed === undefined) return null;
  const name = typed.toLowerCase();
  if (isFlag(name)) return name;
  // A long dash before a word is punctuation.
  if (dashes === '—') return null;
  const known = Object.keys(PROMPT_FLAGS);
  throw new KronaError(
    'PROMPT_FLAG_UNKNOWN',
    `A prompt can't have \`--${name.slice(0, 40)}\`.${suggestion(name, known)} ` +
      `It can have ${known.map((each) => `--${each}`).join(', ')}.`,
  );
}
