/** @file Styles: named pieces of prompts. */

/** What a style adds to a prompt. */
export interface PromptStyle {
  /** `{prompt}` in it is the place of the member's prompt; without that, it follows the prompt after a comma. */
  readonly prompt: string;
  readonly negative: string | null;
}

const PLACE = '{prompt}';

/** A prompt in a style. */
export const styledPrompt = (prompt: string, style: Pick<PromptStyle, 'prompt'>): string =>
  style.prompt.includes(PLACE) ? style.prompt.replaceAll(PLACE, () => prompt) : `${prompt}, ${style.prompt}`;

/** Negative prompts joined to one; null where there is none. */
export function joinedNegatives(...negatives: readonly (string | null | undefined)[]): string | null {
  const given = negatives.filter((each) => each !== null && each !== undefined && each !== '');
  return given.length === 0 ? null : given.join(', ');
}
