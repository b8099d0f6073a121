/** @file Permission to change something: for its owners and moderators. */
import { KronaError } from '../../core/errors.ts';
import type { Actor } from '../contract.ts';

/** Whether the actor is one of the owners or a moderator. */
export function mayChange(actor: Actor, ownerIds: readonly string[]): boolean {
  return actor.moderator || ownerIds.includes(actor.member.id);
}

/**
 * @param what - the attempted action, to follow “Only … can”: `delete this set`
 * @param who - the owners, such as `the member who requested it`
 * @throws KronaError NOT_ALLOWED
 */
export function requireOwner(
  actor: Actor,
  ownerIds: readonly string[],
  what: string,
  who = 'the member who requested it',
): void {
  if (!mayChange(actor, ownerIds))
    throw new KronaError('NOT_ALLOWED', `Only ${who} or a moderator can ${what}.`);
}
