/** @file How cards call the members of records. */
import type { Records } from '../../storage/records.ts';

/** Says members' names by their ids; those who are gone are “a former member”. */
export async function memberNames(
  records: Pick<Records, 'members'>,
  ids: readonly string[],
): Promise<(id: string) => string> {
  const members = await records.members([...new Set(ids)]);
  const names = new Map(members.map(({ id, name }) => [id, name]));
  return (id) => names.get(id) ?? 'a former member';
}
