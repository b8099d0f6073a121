/** @file Styles: named pieces of prompts. */
import { KronaError } from '../errors.ts';

/** What a style adds to a prompt. */
export interface PromptStyle {
  /** `{prompt}` in it is the place of the member's prompt; without that, it follows the prompt after a comma. */
  readonly prompt: string;
  readonly negative: string | null;
}

const PLACE = '{prompt}';

/** Most characters of a prompt in its styles: each can repeat it as often as `{prompt}` is in it. */
const MOST_STYLED = 3000;

/**
 * A prompt in styles, the last one outermost.
 *
 * @throws KronaError PROMPT_TOO_LONG
 */
export function styledPrompt(prompt: string, styles: readonly Pick<PromptStyle, 'prompt'>[]): string {
  return styles.reduce((inner, style) => {
    const styled = style.prompt.includes(PLACE)
      ? style.prompt.replaceAll(PLACE, () => inner)
      : `${inner}, ${style.prompt}`;
    if (styled.length <= MOST_STYLED) return styled;
    throw new KronaError(
      'PROMPT_TOO_LONG',
      `In its styles the prompt has ${styled.length} characters; at most ${MOST_STYLED} are allowed. Use fewer styles.`,
    );
  }, prompt);
}

/** Negative prompts joined to one; null where there is none. */
export function joinedNegatives(...negatives: readonly (string | null | undefined)[]): string | null {
  const given = negatives.filter((each) => each !== null && each !== undefined && each !== '');
  return given.length === 0 ? null : given.join(', ');
}
