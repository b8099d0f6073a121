/** @file The adapters of a set, and its subjects. */
import type { Adapter, PictureSet } from '../core/records.ts';
import type { Records } from './records.ts';

/** Returns the adapters that draw a set, its main one first, without deleted ones. */
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

/** Returns the ids of a set's subjects, for `resolvePrompt`. @param adapters from `adaptersOf` */
export function subjectsOf(
  { subjectId }: Pick<PictureSet, 'subjectId'>,
  adapters: readonly Adapter[],
): string[] {
  if (subjectId === null) return [];
  return [...new Set([subjectId, ...adapters.map((adapter) => adapter.subjectId)])];
}
