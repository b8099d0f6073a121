/** @file Which adapters draw a set, and so which subjects are in it. */
import type { Adapter, PictureSet } from '../core/records.ts';
import type { Records } from './records.ts';

/** The adapters that draw a set, its own first; without those that were deleted since. */
export async function adaptersOf(
  { adapterId, alsoAdapterIds }: Pick<PictureSet, 'adapterId' | 'alsoAdapterIds'>,
  records: Records,
): Promise<Adapter[]> {
  const found: Adapter[] = [];
  for (const id of [adapterId, ...alsoAdapterIds]) {
    const adapter = id === null ? null : await records.adapter(id);
    if (adapter !== null) found.push(adapter);
  }
  return found;
}

/** Ids of the subjects that a set shows, for `resolvePrompt`. @param adapters as `adaptersOf` gives them */
export function subjectsOf(
  { subjectId }: Pick<PictureSet, 'subjectId'>,
  adapters: readonly Adapter[],
): string[] {
  if (subjectId === null) return [];
  return [...new Set([subjectId, ...adapters.map((adapter) => adapter.subjectId)])];
}
