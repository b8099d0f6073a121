/** @file Members and roles as moderators type them: by name, or as the platform mentions them. */
import { KronaError } from '../../core/errors.ts';
import type { Channel, Member } from '../../core/records.ts';
import type { Records } from '../../storage/records.ts';
import type { Who } from '../../core/rules.ts';
import { suggestion } from '../../core/nearest.ts';

/** Mentions, with the id in them, of members: `<@123>`, `<@!123>`, `<@U7|ann>`. */
const MEMBER = /^<@!?(\w+)(?:\|([^>]*))?>$/;
/** And of roles: `<@&456>`, `<!subteam^S8|artists>`. */
const ROLE = /^<(?:@&|!subteam\^)(\w+)(?:\|[^>]*)?>$/;

/**
 * The member that a text names. Somebody who is mentioned need not have done anything here yet.
 *
 * @param others - members to look among beside those who have done something in the channel
 * @throws KronaError MEMBER_UNKNOWN, MEMBER_AMBIGUOUS
 */
export async function requireMember(
  records: Records,
  channel: Channel,
  typed: string,
  others: readonly Member[] = [],
): Promise<Member> {
  const [, mentioned, label] = MEMBER.exec(typed) ?? [];
  if (mentioned !== undefined)
    return (
      (await records.memberByExternalId(channel.platform, mentioned)) ??
      (await records.member(channel.platform, mentioned, label || mentioned))
    );
  const name = typed.replace(/^@/, '').toLowerCase();
  const here = await records.membersOf(channel.id);
  const known = [...here, ...others.filter((other) => here.every(({ id }) => id !== other.id))];
  const found = known.filter(
    (member) => member.name.toLowerCase() === name || member.externalId.toLowerCase() === name,
  );
  if (found.length === 1) return found[0]!;
  if (found.length > 1)
    throw new KronaError(
      'MEMBER_AMBIGUOUS',
      `${found.length} members here are called “${found[0]!.name}”; mention the one you mean, or give the id: ` +
        `${found.map(({ externalId }) => externalId).join(', ')}.`,
    );
  const names = known.map((member) => member.name);
  throw new KronaError(
    'MEMBER_UNKNOWN',
    `Nobody called “${typed.slice(0, 40)}” has done anything here.${suggestion(name, names)} Mention somebody, or give a name as it is shown.`,
  );
}

/** Most roles of one right. */
const MOST_ROLES = 20;

/** `everyone`, `moderators`, or roles with spaces or commas between them. @throws KronaError ROLES_INVALID */
export function readWho(typed: string): Who {
  const words = typed.split(/[\s,]+/u).filter((word) => word !== '');
  const [only] = words;
  if (words.length === 1 && (only!.toLowerCase() === 'everyone' || only!.toLowerCase() === 'moderators'))
    return only!.toLowerCase() as Who;
  const roles = [...new Set(words.map((word) => ROLE.exec(word)?.[1] ?? word))];
  if (roles.length === 0 || roles.length > MOST_ROLES || roles.some((role) => !/^\w{1,64}$/.test(role)))
    throw new KronaError(
      'ROLES_INVALID',
      `who must be everyone, moderators, or 1 to ${MOST_ROLES} roles: mentions of roles, not of members, or ids as the platform gives them.`,
    );
  return roles;
}

/** As members read it. */
export function showWho(who: Who): string {
  return typeof who === 'string' ? who : `moderators, and members with the role ${who.join(' or ')}`;
}
