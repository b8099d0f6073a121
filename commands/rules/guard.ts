/**
 * @file Enforces a channel's rules: `admit` before every command and button, `admitWork` before a training or picture is
 * queued. Only the caller sees a refusal.
 */
import { KronaError } from '../../core/errors.ts';
import type { Records } from '../../storage/records.ts';
import type { ChannelRules, Right } from '../../core/rules.ts';
import type { Actor, SubcommandData } from '../contract.ts';
import { checkQuotas, checkTotalStorage, type Wish } from './quota.ts';
import { refusedWord } from './words.ts';

/** The permissions that a command or action declares. */
export type Needs = Pick<SubcommandData, 'needs' | 'openToBlocked'>;

const TO: Readonly<Record<Right, string>> = {
  train: 'train here',
  imagine: 'draw here',
  settings: 'change settings and champions here',
};

function notAllowed(who: string, what: string): KronaError {
  return new KronaError('NOT_ALLOWED', `Only ${who} can ${what}. See \`/krona rules show\`.`);
}

function mayUse({ who }: ChannelRules, right: Right, { roles }: Actor): boolean {
  const allowed = who[right];
  if (allowed === 'everyone') return true;
  return allowed !== 'moderators' && allowed.some((role) => roles.includes(role));
}

/** Whether a member is blocked in a channel or in its server. */
export async function isBlocked(records: Records, channelId: string, memberId: string): Promise<boolean> {
  const [channel, server] = [await records.rules(channelId), await records.serverRules(channelId)];
  return channel.blocked.includes(memberId) || server?.blocked.includes(memberId) === true;
}

/**
 * Checks an actor's permission. Moderators always pass, unless they are blocked in the whole server.
 *
 * @throws KronaError BLOCKED, NOT_ALLOWED
 */
export async function admit(records: Records, actor: Actor, { needs, openToBlocked }: Needs): Promise<void> {
  const { channel, member } = actor;
  if (!openToBlocked && actor.direct && (await records.isBlocked(channel.platform, member.id)))
    throw new KronaError(
      'BLOCKED',
      'A moderator blocked you in a channel or server, so Krona does not draw for you in direct messages either.',
    );
  if (!openToBlocked && !actor.manager) {
    const server = await records.serverRules(channel.id);
    if (server?.blocked.includes(member.id))
      throw new KronaError(
        'BLOCKED',
        'A manager of the server blocked you in all its channels. Ask them why.',
      );
  }
  if (actor.moderator) return;
  if (needs === 'moderator') throw notAllowed('moderators', 'use this command');
  if (openToBlocked) return;
  const rules = await records.rules(channel.id);
  if (rules.blocked.includes(member.id))
    throw new KronaError('BLOCKED', 'A moderator blocked you in this channel. Ask a moderator why.');
  if (needs === undefined || mayUse(rules, needs, actor)) return;
  const who = rules.who[needs] === 'moderators' ? 'moderators' : 'moderators and members with certain roles';
  throw notAllowed(who, TO[needs]);
}

/** @throws KronaError PROMPT_REFUSED */
export async function admitTexts(records: Records, actor: Actor, texts: readonly string[]): Promise<void> {
  const { words } = await records.rules(actor.channel.id);
  const word = refusedWord(words, texts);
  if (word !== null)
    throw new KronaError(
      'PROMPT_REFUSED',
      `“${word}” is not allowed in this channel. Remove it and try again.`,
    );
}

/**
 * Checks words and quotas for new work or photos. Refused words and the limit of all that is stored apply to everyone;
 * quotas don't apply to moderators.
 *
 * @param texts - the members' texts that the work uses
 * @throws KronaError PROMPT_REFUSED, QUOTA_EXCEEDED, STORAGE_FULL
 */
export async function admitWork(
  records: Records,
  actor: Actor,
  wish: Wish,
  texts: readonly string[],
): Promise<void> {
  await admitTexts(records, actor, texts);
  await checkTotalStorage(records, actor.channel.id);
  if (actor.moderator) return;
  await checkQuotas(records, actor.channel.id, actor.member, wish);
}
