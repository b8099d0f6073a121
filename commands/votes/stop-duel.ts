/** @file Ends a duel because its asker or a moderator wants it. */
import { KronaError } from '../../core/errors.ts';
import type { Duel } from '../../core/records.ts';
import type { Actor, CommandContext } from '../contract.ts';
import { requireOwner } from '../rules/permission.ts';
import { cancelDuel } from './advance-duel.ts';

/**
 * Cancels a duel of the actor's channel; null when there is none with this id.
 *
 * @throws KronaError NOT_ALLOWED, WORK_ENDED
 */
export function stopDuel(id: string, actor: Actor, { records }: CommandContext): Promise<Duel | null> {
  return records.transaction(async (within) => {
    const duel = await within.duel(id);
    if (duel?.channelId !== actor.channel.id) return null;
    requireOwner(actor, [duel.memberId], 'cancel this duel');
    if (duel.state !== 'open') throw new KronaError('WORK_ENDED', 'This duel has already ended.');
    await cancelDuel(within, duel, `${actor.member.name} cancelled it.`);
    return duel;
  });
}
