/** @file The known word that a mistyped one was probably meant to be. */
import { at } from './at.ts';

/** Edits (insert, delete, replace, swap of neighbours) between two words: optimal string alignment distance. */
export function editDistance(a: string, b: string): number {
  const [x, y] = [[...a], [...b]];
  let before: number[] = [];
  let above = Array.from({ length: y.length + 1 }, (_, j) => j);
  for (let i = 1; i <= x.length; i++) {
    const row = [i];
    for (let j = 1; j <= y.length; j++) {
      const change = x[i - 1] === y[j - 1] ? 0 : 1;
      let best = Math.min(at(above, j) + 1, at(row, j - 1) + 1, at(above, j - 1) + change);
      if (i > 1 && j > 1 && x[i - 1] === y[j - 2] && x[i - 2] === y[j - 1])
        best = Math.min(best, at(before, j - 2) + 1);
      row.push(best);
    }
    before = above;
    above = row;
  }
  return at(above, y.length);
}

/** The nearest of `known`, null when none is near: one edit for words up to 5 letters, two up to 9, three beyond. */
export function nearest(word: string, known: readonly string[]): string | null {
  const typed = word.toLowerCase();
  const allowed = typed.length <= 5 ? 1 : typed.length <= 9 ? 2 : 3;
  let best: { name: string; distance: number } | null = null;
  for (const name of known) {
    const candidate = name.toLowerCase();
    // Each letter more or less, of at most two units, is an edit; a page of text is compared with nothing.
    if (Math.abs(candidate.length - typed.length) > 2 * allowed) continue;
    const distance = editDistance(typed, candidate);
    if (distance <= allowed && distance < (best?.distance ?? Infinity)) best = { name, distance };
  }
  return best?.name ?? null;
}

/** ` Did you mean “lr”?`, or nothing when no known word is near: to end an error message with. */
export function suggestion(word: string, known: readonly string[]): string {
  const name = nearest(word, known);
  return name === null ? '' : ` Did you mean “${name}”?`;
}
