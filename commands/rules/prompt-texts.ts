/** @file The texts of a prompt in which a refused word can be hidden. */
import { resolvePrompt, type PromptSubject } from '../../core/prompt.ts';
import { withoutWeights } from '../../core/prompts/weights.ts';

/**
 * Returns a prompt as it was typed, without the signs of weights, which can stand within a word, and as the model reads it:
 * with the class words of the subjects that it names.
 *
 * @param subjects of the channel
 * @param drawn id of one that is drawn; null: the model gets names as they are
 * @throws KronaError PROMPT_WEIGHT_INVALID
 */
export function promptTexts(
  prompt: string,
  subjects: readonly PromptSubject[],
  drawn: string | null,
): string[] {
  const { text } = resolvePrompt(prompt, subjects, drawn === null ? [] : [drawn]);
  return [prompt, withoutWeights(prompt), withoutWeights(text)];
}
