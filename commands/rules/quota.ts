/** @file Quotas: how much a member, a channel and a server can still request, and when again. */
import { KronaError } from '../../core/errors.ts';
import type { Member, OpenUsage, Usage } from '../../core/records.ts';
import type { Records } from '../../storage/records.ts';
import type { Quota, Reach } from '../../core/rules.ts';
import { counted, duration } from '../../core/format.ts';

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
function checkOpen(who: string, quota: Quota, open: readonly OpenUsage[]): void {
  if (quota.open === null || open.length < quota.open) return;
  const left = open.flatMap(({ secondsLeft }) => secondsLeft ?? []);
  const soon = left.length === 0 ? '' : `, in about ${duration(Math.min(...left))}`;
  throw exceeded(
    `${who} can have ${counted(quota.open, 'job')} queued or running at once. Try again when one of them ends` +
      `${soon}. \`/krona queue show\` lists them.`,
  );
}

/** A quota with those whom it holds for together. */
interface Holder {
  readonly reach: Reach;
  /** As a sentence begins. */
  readonly who: string;
  readonly quota: Quota;
  /** Whether it counts for this quota. */
  readonly counts: (used: Pick<Usage, 'memberId'>) => boolean;
}

/** The quotas that bind a member in a channel: its own and those of its server. */
async function holders(records: Records, channelId: string, member: Member): Promise<Holder[]> {
  const rules = await records.rules(channelId);
  const server = await records.serverRules(channelId);
  const isOwn = ({ memberId }: Pick<Usage, 'memberId'>): boolean => memberId === member.id;
  const anybody = (): boolean => true;
  const here: Holder[] = [
    { reach: 'channel', who: 'You', quota: rules.member, counts: isOwn },
    { reach: 'channel', who: 'This channel', quota: rules.channel, counts: anybody },
  ];
  if (server === null) return here;
  return [
    ...here,
    { reach: 'server', who: 'In the whole server you', quota: server.member, counts: isOwn },
    { reach: 'server', who: 'This server', quota: server.server, counts: anybody },
  ];
}

/**
 * Checks a member's request against the quotas of a channel and its server. Call it in the transaction that queues the
 * work, so that two requests at once can't both get the last place.
 *
 * @throws KronaError QUOTA_EXCEEDED with the time from which it works again
 */
export async function checkQuotas(
  records: Records,
  channelId: string,
  member: Member,
  wish: Wish,
): Promise<void> {
  const { name, window } = LIMITS[wish.kind];
  const since = new Date(Date.now() - window);
  const all = await holders(records, channelId, member);
  for (const { reach, who, quota, counts } of all) {
    if (quota[name] === null) continue;
    const used = await records.usage(channelId, reach, wish.kind, since);
    checkAmount(who, quota, used.filter(counts), wish);
  }
  for (const { reach, who, quota, counts } of all) {
    if (quota.open === null) continue;
    checkOpen(who, quota, (await records.openUsage(channelId, reach)).filter(counts));
  }
}

/**
 * Returns one line for each limit of a member, the channel and the server: how much is used, and, when it is used up, the
 * time from which it works again. A server's limits are listed once half of them is used.
 */
export async function limitLines(records: Records, channelId: string, member: Member): Promise<string[]> {
  const all = await holders(records, channelId, member);
  const lines: string[] = [];
  const isShown = (reach: Reach, sum: number, limit: number) => reach === 'channel' || 2 * sum >= limit;
  for (const kind of ['train', 'imagine'] as const) {
    const { name, period, window } = LIMITS[kind];
    for (const { reach, who, quota, counts } of all) {
      const limit = quota[name];
      if (limit === null) continue;
      const its = (await records.usage(channelId, reach, kind, new Date(Date.now() - window))).filter(counts);
      const free = freeAt(its, 1, limit, window);
      const again = free === null ? '' : `; more ${when(free)}`;
      const sum = its.reduce((total, { amount }) => total + amount, 0);
      if (isShown(reach, sum, limit)) lines.push(`${who}: ${sum} of ${limit} ${name} in ${period}${again}.`);
    }
  }
  for (const { reach, who, quota, counts } of all) {
    if (quota.open === null) continue;
    const { length } = (await records.openUsage(channelId, reach)).filter(counts);
    if (isShown(reach, length, quota.open))
      lines.push(`${who}: ${length} of ${quota.open} jobs queued or running.`);
  }
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
  const used = await records.usage(channelId, 'channel', PHOTOS_ADDED, new Date(Date.now() - DAY));
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
