/**
 * @file The one place where a channel's rules are held: `admit` before any command or button does something,
 * `admitWork` before any training or picture is put in the queue. Refusals are for the caller alone.
 */
import { KronaError } from '../../core/errors.ts';
import type { Records } from '../../storage/records.ts';
import type { ChannelRules, Right } from '../../core/rules.ts';
import type { Actor, SubcommandData } from '../contract.ts';
import { checkQuotas, type Wish } from './quota.ts';
import { refusedWord } from './words.ts';

/** What one needs to be allowed to do something, as commands and actions declare it. */
export type Needs = Pick<SubcommandData, 'needs' | 'openToBlocked'>;

const TO: Readonly<Record<Right, string>> = {
  train: 'train here',
  imagine: 'ask for pictures here',
  settings: 'change settings and champions here',
};

function notAllowed(who: string, what: string): KronaError {
  return new KronaError(
    'NOT_ALLOWED',
    `Only ${who} may ${what}; \`/krona rules show\` tells what this channel allows.`,
  );
}

function mayUse({ who }: ChannelRules, right: Right, { roles }: Actor): boolean {
  const allowed = who[right];
  if (allowed === 'everyone') return true;
  return allowed !== 'moderators' && allowed.some((role) => roles.includes(role));
}

/**
 * Lets an actor pass, or not. Moderators always pass.
 *
 * @throws KronaError BLOCKED, NOT_ALLOWED
 */
export async function admit(records: Records, actor: Actor, { needs, openToBlocked }: Needs): Promise<void> {
  if (actor.moderator) return;
  if (needs === 'moderator') throw notAllowed('moderators', 'do that');
  if (openToBlocked) return;
  const rules = await records.rules(actor.channel.id);
  if (rules.blocked.includes(actor.member.id))
    throw new KronaError('BLOCKED', 'A moderator has blocked you in this channel; ask one of them why.');
  if (needs === undefined || mayUse(rules, needs, actor)) return;
  const who = rules.who[needs] === 'moderators' ? 'moderators' : 'moderators and members with certain roles';
  throw notAllowed(who, TO[needs]);
}

/** @throws KronaError PROMPT_REFUSED */
export async function admitTexts(records: Records, actor: Actor, texts: readonly string[]): Promise<void> {
  const { words } = await records.rules(actor.channel.id);
  const word = refusedWord(words, texts);
  if (word !== null)
    throw new KronaError('PROMPT_REFUSED', `“${word}” is not allowed in this channel; say it without.`);
}

/**
 * Lets new work into the queue, or not. Words are for everybody; quotas do not bind moderators.
 *
 * @param texts - what the work is about, as members wrote it
 * @throws KronaError PROMPT_REFUSED, QUOTA_EXCEEDED
 */
export async function admitWork(
  records: Records,
  actor: Actor,
  wish: Wish,
  texts: readonly string[],
): Promise<void> {
  await admitTexts(records, actor, texts);
  if (actor.moderator) return;
  await checkQuotas(records, actor.channel.id, actor.member, await records.rules(actor.channel.id), wish);
}
