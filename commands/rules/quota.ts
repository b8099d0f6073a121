/** @file Quotas: how much a member and a channel can still request, and when again. */
import { KronaError } from '../../core/errors.ts';
import type { Member, Usage } from '../../core/records.ts';
import type { Records } from '../../storage/records.ts';
import type { ChannelRules, Quota } from '../../core/rules.ts';
import { counted, duration } from '../../core/format.ts';
import { channelQueue, workRecord } from '../work/channel-queue.ts';

const HOUR = 3600_000;
const DAY = 24 * HOUR;

/** A request that counts against a quota. */
export type Wish = { readonly kind: 'train' } | { readonly kind: 'imagine'; readonly pictures: number };

interface Limit {
  readonly name: 'trainings' | 'pictures';
  readonly noun: string;
  /** What members do to use it up. */
  readonly verb: string;
  readonly period: string;
  readonly window: number;
}

const LIMITS: Readonly<Record<Wish['kind'], Limit>> = {
  train: { name: 'trainings', noun: 'training', verb: 'start', period: '24 hours', window: DAY },
  imagine: { name: 'pictures', noun: 'picture', verb: 'request', period: 'an hour', window: HOUR },
};

/**
 * Returns when `wanted` more fit into the limit, as earlier requests leave the window; null: now.
 *
 * @param used - requests within the window, oldest first
 */
function freeAt(used: readonly Usage[], wanted: number, limit: number, window: number): Date | null {
  let rest = used.reduce((sum, { amount }) => sum + amount, 0) + wanted - limit;
  if (rest <= 0) return null;
  for (const { amount, at } of used) {
    rest -= amount;
    if (rest <= 0) return new Date(at.getTime() + window);
  }
  // More than the limit: it never fits.
  return new Date(NaN);
}

/** `in 12 min (14:05 UTC)`. */
function when(time: Date): string {
  const clock = time.toISOString().slice(11, 16);
  return `in ${duration((time.getTime() - Date.now()) / 1000)} (${clock} UTC)`;
}

function exceeded(message: string): KronaError {
  return new KronaError('QUOTA_EXCEEDED', message);
}

/** @throws KronaError QUOTA_EXCEEDED with the time from which it works again */
function checkAmount(who: string, quota: Quota, used: readonly Usage[], wish: Wish): void {
  const { name, noun, verb, period, window } = LIMITS[wish.kind];
  const limit = quota[name];
  if (limit === null) return;
  const wanted = wish.kind === 'train' ? 1 : wish.pictures;
  const time = freeAt(used, wanted, limit, window);
  if (time === null) return;
  const most = `${who} can ${verb} ${counted(limit, noun)} in ${period}`;
  if (Number.isNaN(time.getTime()))
    throw exceeded(`${most}, and this request is for ${wanted}. Request fewer.`);
  throw exceeded(`${most}. Try again ${when(time)}.`);
}

/** @throws KronaError QUOTA_EXCEEDED */
async function checkOpen(
  records: Records,
  channelId: string,
  member: Member,
  rules: ChannelRules,
): Promise<void> {
  if (rules.member.open === null && rules.channel.open === null) return;
  const open = (await channelQueue(records, channelId)).map(workRecord);
  const own = open.filter(({ memberId }) => memberId === member.id);
  for (const [who, quota, list] of [
    ['You', rules.member, own],
    ['This channel', rules.channel, open],
  ] as const) {
    if (quota.open === null || list.length < quota.open) continue;
    const left = list.flatMap(({ progress }) => progress?.secondsLeft ?? []);
    const soon = left.length === 0 ? '' : `, in about ${duration(Math.min(...left))}`;
    throw exceeded(
      `${who} can have ${counted(quota.open, 'job')} queued or running at once. Try again when one of them ends` +
        `${soon}. \`/krona queue show\` lists them.`,
    );
  }
}

/**
 * Checks a member's request against the quotas of a channel. Call it in the transaction that queues the work, so that two
 * requests at once can't both get the last place.
 *
 * @throws KronaError QUOTA_EXCEEDED with the time from which it works again
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
 * Returns one line for each limit of a member and of the channel: how much is used, and, when it is used up, the time
 * from which it works again.
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
      const again = free === null ? '' : `; more ${when(free)}`;
      const sum = its.reduce((total, { amount }) => total + amount, 0);
      lines.push(`${who}: ${sum} of ${limit} ${name} in ${period}${again}.`);
    }
  }
  const open = (await channelQueue(records, channelId)).map(workRecord);
  for (const [who, { open: limit }, counts] of both)
    if (limit !== null)
      lines.push(`${who}: ${open.filter(counts).length} of ${limit} jobs queued or running.`);
  return lines.length === 0 ? ['This channel has no limits.'] : lines;
}

/** The log's word for photos that were added. */
export const PHOTOS_ADDED = 'photos';
/** Most photos that a member and a channel can add in 24 hours. */
const MOST_PHOTOS = { member: 300, channel: 3_000 };

/**
 * Checks photos against what a member and a channel can add in a day: so that nobody fills the disk. Call it in the
 * transaction that adds them.
 *
 * @throws KronaError QUOTA_EXCEEDED with the time from which it works again
 */
export async function checkPhotoQuota(
  records: Records,
  channelId: string,
  member: Member,
  wanted: number,
): Promise<void> {
  const used = await records.usage(channelId, PHOTOS_ADDED, new Date(Date.now() - DAY));
  const own = used.filter(({ memberId }) => memberId === member.id);
  for (const [who, limit, list] of [
    ['You', MOST_PHOTOS.member, own],
    ['This channel', MOST_PHOTOS.channel, used],
  ] as const) {
    const time = freeAt(list, wanted, limit, DAY);
    if (time !== null)
      throw exceeded(`${who} can add ${counted(limit, 'photo')} in 24 hours. Try again ${when(time)}.`);
  }
}
