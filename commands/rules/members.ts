/** @file Members and roles as moderators type them: names or mentions. */
import { KronaError } from '../../core/errors.ts';
import type { Channel, Member } from '../../core/records.ts';
import type { Records } from '../../storage/records.ts';
import type { Who } from '../../core/rules.ts';
import { suggestion } from '../../core/nearest.ts';
import { ownId } from '../../core/own-id.ts';

/** A member's mention, with the id: `<@123>`, `<@!123>`, `<@U7|ann>`, `<@T2/U7>`. */
const MEMBER = /^<@!?(\w+(?:\/\w+)?)(?:\|([^>]*))?>$/;
/** A role's mention: `<@&456>`, `<!subteam^S8|artists>`. */
const ROLE = /^<(?:@&|!subteam\^)(\w+)(?:\|[^>]*)?>$/;

/**
 * Finds a member by a typed name or mention, for a moderator: a mentioned member can be new to Krona, and is stored then.
 *
 * @param others - further members to search, besides those who have used Krona in the channel
 * @throws KronaError MEMBER_UNKNOWN, MEMBER_AMBIGUOUS
 */
export async function requireMember(
  records: Records,
  channel: Channel,
  typed: string,
  others: readonly Member[] = [],
): Promise<Member> {
  const { platform } = channel;
  const [, mentioned, label] = MEMBER.exec(typed) ?? [];
  if (mentioned !== undefined)
    return (
      (await records.memberByExternalId(platform, mentioned)) ??
      (await records.member(platform, mentioned, label || mentioned))
    );
  return requireMemberHere(records, channel, typed, others);
}

/**
 * Finds a member who has used Krona in a channel by a typed name or mention; stores nothing, and tells nothing of anybody else.
 *
 * @param others - further members to search
 * @throws KronaError MEMBER_UNKNOWN, MEMBER_AMBIGUOUS
 */
export async function requireMemberHere(
  records: Records,
  channel: Channel,
  typed: string,
  others: readonly Member[] = [],
): Promise<Member> {
  const [, mentioned = typed] = MEMBER.exec(typed) ?? [];
  const name = mentioned.replace(/^@/, '').toLowerCase();
  const here = await records.membersOf(channel.id);
  const known = [...here, ...others.filter((other) => here.every(({ id }) => id !== other.id))];
  const isCalled = ({ name: shown, externalId }: Member) =>
    [shown, externalId, ownId(externalId)].some((each) => each.toLowerCase() === name);
  const found = known.filter((member) =>
    mentioned === typed ? isCalled(member) : member.externalId === mentioned,
  );
  const [only] = found;
  if (only && found.length === 1) return only;
  if (only)
    throw new KronaError(
      'MEMBER_AMBIGUOUS',
      `${found.length} members are called “${only.name}”. Mention one of them, or use an id: ` +
        `${found.map(({ externalId }) => externalId).join(', ')}.`,
    );
  const names = known.map((member) => member.name);
  throw new KronaError(
    'MEMBER_UNKNOWN',
    `No member called “${typed.slice(0, 40)}” has used Krona here.${suggestion(name, names)} Mention the member, or use the name as it is shown.`,
  );
}

/** Most roles of one right. */
const MOST_ROLES = 20;

/** Reads `everyone`, `moderators`, or roles separated by spaces or commas. @throws KronaError ROLES_INVALID */
export function readWho(typed: string): Who {
  const words = typed.split(/[\s,]+/u).filter((word) => word !== '');
  const [only] = words.length === 1 ? words : [];
  const everyone = (['everyone', 'moderators'] as const).find((who) => who === only?.toLowerCase());
  if (everyone !== undefined) return everyone;
  const roles = [...new Set(words.map((word) => ROLE.exec(word)?.[1] ?? word))];
  if (roles.length === 0 || roles.length > MOST_ROLES || roles.some((role) => !/^\w{1,64}$/.test(role)))
    throw new KronaError(
      'ROLES_INVALID',
      `\`who\` must be everyone, moderators, or 1 to ${MOST_ROLES} roles: mentions or ids of roles, not of members.`,
    );
  return roles;
}

/** Returns the text that members see. */
export function showWho(who: Who): string {
  return typeof who === 'string' ? who : `moderators and members with role ${who.join(' or ')}`;
}
