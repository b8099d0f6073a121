/** @file How much a member and a channel may still ask for, and when again. */
import { KronaError } from '../../core/errors.ts';
import type { Member, Usage } from '../../core/records.ts';
import type { Records } from '../../storage/records.ts';
import type { ChannelRules, Quota } from '../../core/rules.ts';
import { counted, duration } from '../cards/format.ts';
import { openWork, workRecord } from '../work/open-work.ts';

const HOUR = 3600_000;
const DAY = 24 * HOUR;

/** What somebody asks for. */
export type Wish = { readonly kind: 'train' } | { readonly kind: 'imagine'; readonly pictures: number };

interface Limit {
  readonly name: 'trainings' | 'pictures';
  readonly noun: string;
  readonly period: string;
  readonly window: number;
}

const LIMITS: Readonly<Record<Wish['kind'], Limit>> = {
  train: { name: 'trainings', noun: 'training', period: '24 hours', window: DAY },
  imagine: { name: 'pictures', noun: 'picture', period: 'an hour', window: HOUR },
};

/**
 * When there is room for `wanted` more, as what was asked for leaves the window; null when that is now.
 *
 * @param used - within the window, oldest first
 */
function freeAt(used: readonly Usage[], wanted: number, limit: number, window: number): Date | null {
  let rest = used.reduce((sum, { amount }) => sum + amount, 0) + wanted - limit;
  if (rest <= 0) return null;
  for (const { amount, at } of used) {
    rest -= amount;
    if (rest <= 0) return new Date(at.getTime() + window);
  }
  // More than the limit alone: there is never room for all of it.
  return new Date(NaN);
}

/** `in 12 min, at 14:05 UTC`. */
function when(time: Date): string {
  const clock = time.toISOString().slice(11, 16);
  return `in ${duration((time.getTime() - Date.now()) / 1000)}, at ${clock} UTC`;
}

function exceeded(message: string): KronaError {
  return new KronaError('QUOTA_EXCEEDED', message);
}

/** @throws KronaError QUOTA_EXCEEDED with when there is room again */
function checkAmount(who: string, quota: Quota, used: readonly Usage[], wish: Wish): void {
  const { name, noun, period, window } = LIMITS[wish.kind];
  const limit = quota[name];
  if (limit === null) return;
  const wanted = wish.kind === 'train' ? 1 : wish.pictures;
  const time = freeAt(used, wanted, limit, window);
  if (time === null) return;
  const most = `${who} may have ${counted(limit, noun)} in ${period}`;
  if (Number.isNaN(time.getTime()))
    throw exceeded(`${most}, and this asks for ${wanted} at once; ask for fewer.`);
  throw exceeded(`${most}. There is room again ${when(time)}.`);
}

/** @throws KronaError QUOTA_EXCEEDED */
async function checkOpen(
  records: Records,
  channelId: string,
  member: Member,
  rules: ChannelRules,
): Promise<void> {
  if (rules.member.open === null && rules.channel.open === null) return;
  const open = (await openWork(records, channelId)).map(workRecord);
  const own = open.filter(({ memberId }) => memberId === member.id);
  for (const [who, quota, list] of [
    ['You', rules.member, own],
    ['This channel', rules.channel, open],
  ] as const) {
    if (quota.open === null || list.length < quota.open) continue;
    const left = list.flatMap(({ progress }) => progress?.secondsLeft ?? []);
    const soon = left.length === 0 ? '' : `, which is in about ${duration(Math.min(...left))}`;
    throw exceeded(
      `${who} may have ${counted(quota.open, 'thing')} waiting or running at once. There is room again when one of ` +
        `them ends${soon}; \`/krona queue show\` lists them.`,
    );
  }
}

/**
 * Checks a member's wish against the quotas of a channel. Run inside the transaction that begins the work, so that
 * two wishes at once cannot both have the last place.
 *
 * @throws KronaError QUOTA_EXCEEDED with the time of the next free place
 */
export async function checkQuotas(
  records: Records,
  channelId: string,
  member: Member,
  rules: ChannelRules,
  wish: Wish,
): Promise<void> {
  const { name, window } = LIMITS[wish.kind];
  if (rules.member[name] !== null || rules.channel[name] !== null) {
    const used = await records.usage(channelId, wish.kind, new Date(Date.now() - window));
    const own = used.filter(({ memberId }) => memberId === member.id);
    checkAmount('You', rules.member, own, wish);
    checkAmount('This channel', rules.channel, used, wish);
  }
  await checkOpen(records, channelId, member, rules);
}

/**
 * What a channel allows a member, and all its members together, a line a limit: how much of it is used, and when
 * there is room again where all of it is.
 */
export async function limitLines(records: Records, channelId: string, member: Member): Promise<string[]> {
  const rules = await records.rules(channelId);
  const both = [
    ['You', rules.member, ({ memberId }: Pick<Usage, 'memberId'>) => memberId === member.id],
    ['This channel', rules.channel, () => true],
  ] as const;
  const lines: string[] = [];
  for (const kind of ['train', 'imagine'] as const) {
    const { name, period, window } = LIMITS[kind];
    const used = await records.usage(channelId, kind, new Date(Date.now() - window));
    for (const [who, { [name]: limit }, counts] of both) {
      if (limit === null) continue;
      const its = used.filter(counts);
      const free = freeAt(its, 1, limit, window);
      const again = free === null ? '' : `; there is room again ${when(free)}`;
      const sum = its.reduce((total, { amount }) => total + amount, 0);
      lines.push(`${who}: ${sum} of ${limit} ${name} in ${period}${again}.`);
    }
  }
  const open = (await openWork(records, channelId)).map(workRecord);
  for (const [who, { open: limit }, counts] of both)
    if (limit !== null)
      lines.push(`${who}: ${open.filter(counts).length} of ${limit} things waiting or running at once.`);
  return lines.length === 0 ? ['No limit set here.'] : lines;
}
