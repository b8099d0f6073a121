/** @file The record that a post shows, as far as it says when to show the post again. */
import type { CommandContext } from '../../commands/contract.ts';
import type { Post } from '../../core/records.ts';

export interface Target {
  readonly revision: number;
  /** Queued: its position changes without its record. */
  readonly queued: boolean;
}

/** null when the record was deleted. */
export async function targetOf(
  { kind, targetId }: Pick<Post, 'kind' | 'targetId'>,
  { records }: Pick<CommandContext, 'records'>,
): Promise<Target | null> {
  switch (kind) {
    case 'champion': {
      const change = await records.championChange(targetId);
      return change && { revision: 0, queued: false };
    }
    case 'ranking': {
      const ranking = await records.ranking(targetId);
      return ranking && { revision: ranking.revision, queued: false };
    }
    case 'duel':
    case 'verdict': {
      const duel = await records.duel(targetId);
      return duel && { revision: duel.revision, queued: false };
    }
    case 'run':
    case 'set':
    case 'pull': {
      const record = await workOf(kind, targetId, records);
      return record && { revision: record.revision, queued: record.state === 'queued' };
    }
  }
}

function workOf(kind: 'run' | 'set' | 'pull', id: string, records: CommandContext['records']) {
  if (kind === 'pull') return records.pull(id);
  return kind === 'run' ? records.run(id) : records.set(id);
}
