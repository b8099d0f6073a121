/** @file A sheet of subjects: a photo, the model alone, then each trial's pictures of the same prompts and seed. */
import { contactSheet, type SheetPicture } from '../pretrain/sheet.ts';
import { baseStripPath, firstPhoto, type Comparison, type Result } from './compare-subject.ts';
import type { Trial } from './comparison-plan.ts';
import { readStrip } from './files.ts';
import { groupsOf } from './statistics.ts';
import { textOf } from './subjects.ts';

/** Prompts shown: two backgrounds, a partner and a style. */
const SHOWN = [0, 1, 5, 9] as const;

/** A row per subject; of several seeds the first is shown. */
export async function subjectSheet(
  out: string,
  comparison: Comparison,
  trials: readonly (Trial | null)[],
  drawn: readonly { readonly result: Result; readonly pictures: readonly Float32Array[] }[],
): Promise<Buffer> {
  const { recipe, data } = comparison;
  const cells: SheetPicture[] = [];
  const white = new Float32Array(3 * data.size ** 2).fill(1);
  for (const own of groupsOf(drawn, ({ result }) => result.subject)) {
    const [name] = own.map(({ result }) => result.subject);
    if (name === undefined) continue;
    cells.push({ image: await firstPhoto(out, name), label: `photo: ${name}` });
    const rows = [
      { label: 'model alone', pictures: (await readStrip(baseStripPath(out, name))) ?? [] },
      ...trials.map((trial) => ({
        label: trial?.name ?? 'defaults',
        pictures: own.find(({ result }) => result.trial?.name === trial?.name)?.pictures ?? [],
      })),
    ];
    for (const { label, pictures } of rows)
      for (const index of SHOWN) {
        const prompt = recipe.prompts[index];
        if (!prompt) continue;
        const text = textOf(prompt, recipe, comparison.subject(name));
        cells.push({ image: pictures[index] ?? white, label: `${label}: ${text}` });
      }
  }
  return contactSheet(cells, { columns: 1 + SHOWN.length * (1 + trials.length), size: data.size });
}
