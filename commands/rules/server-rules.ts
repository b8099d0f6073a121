/** @file The rules of a whole server or workspace: those who manage it set them, from any of its channels. */
import { KronaError } from '../../core/errors.ts';
import type { ServerRules } from '../../core/rules.ts';
import type { Records } from '../../storage/records.ts';
import type { Actor } from '../contract.ts';

/**
 * The server's rules, for somebody who changes them.
 *
 * @throws KronaError NO_SERVER, NOT_ALLOWED
 */
export async function requireServerRules(records: Records, actor: Actor): Promise<ServerRules> {
  const rules = await records.serverRules(actor.channel.id);
  if (rules === null)
    throw new KronaError(
      'NO_SERVER',
      'This channel is in no server, so there are no rules for a whole server.',
    );
  if (!actor.manager)
    throw new KronaError(
      'NOT_ALLOWED',
      'Only members who can manage the whole server (Discord: Manage Server; Slack: workspace admin; web chat: moderators) can change its rules.',
    );
  return rules;
}
