/** @file Who may change what: those it belongs to, and moderators. */
import { KronaError } from '../../core/errors.ts';
import type { Actor } from '../contract.ts';

/** True when the actor is one of the owners or a moderator. */
export function mayChange(actor: Actor, ownerIds: readonly string[]): boolean {
  return actor.moderator || ownerIds.includes(actor.member.id);
}

/**
 * @param what - what was tried, to follow “Only … may”: `delete this set`
 * @param who - whose right it is, e.g. `who asked for it`
 * @throws KronaError NOT_ALLOWED
 */
export function requireOwner(
  actor: Actor,
  ownerIds: readonly string[],
  what: string,
  who = 'who asked for it',
): void {
  if (!mayChange(actor, ownerIds))
    throw new KronaError('NOT_ALLOWED', `Only ${who} or a moderator may ${what}.`);
}
