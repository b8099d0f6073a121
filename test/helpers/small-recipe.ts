/** @file The recipe of subjects with few prompts, whose pictures take seconds. */
import { writeFile } from 'node:fs/promises';
import { KINDS } from '../../lab/evaluate/comparison-scores.ts';
import { readSubjects } from '../../lab/evaluate/subjects.ts';

/** Writes it with one prompt of each kind, those that the judges are surest of, and one without the subject. */
export async function writeSmallRecipe(path: string): Promise<void> {
  const recipe = await readSubjects();
  const prompts = KINDS.map((kind) => recipe.prompts.findLast((prompt) => prompt.kind === kind));
  await writeFile(path, JSON.stringify({ ...recipe, prompts, drift: recipe.drift.slice(0, 1) }));
}
