/** @file Quotas: how much a member, a channel and a server can still request, and when again. */
import { KronaError } from '../../core/errors.ts';
import type { Member, OpenUsage, Usage } from '../../core/records.ts';
import type { Records } from '../../storage/records.ts';
import type { Quota, Reach } from '../../core/rules.ts';
import { storageLimit } from '../../core/environment.ts';
import { byteSize, counted, duration } from '../../core/format.ts';

/** Seconds. */
const HOUR = 3600;
const DAY = 24 * HOUR;

/** A request that counts against a quota. */
export type Wish =
  /** `trainings`: as many as it counts as; 1 by default. */
  | { readonly kind: 'train'; readonly trainings?: number }
  | { readonly kind: 'imagine'; readonly pictures: number }
  | { readonly kind: 'photos'; readonly photos: number };

interface Limit {
  readonly name: 'trainings' | 'pictures' | 'photos';
  readonly noun: string;
  /** What members do to use it up. */
  readonly verb: string;
  readonly period: string;
  /** Seconds. */
  readonly window: number;
}

const LIMITS: Readonly<Record<Wish['kind'], Limit>> = {
  train: { name: 'trainings', noun: 'training', verb: 'start', period: '24 hours', window: DAY },
  imagine: { name: 'pictures', noun: 'picture', verb: 'request', period: 'an hour', window: HOUR },
  photos: { name: 'photos', noun: 'photo', verb: 'send', period: '24 hours', window: DAY },
};
const MIB = 1024 ** 2;

const amountOf = (wish: Wish): number =>
  wish.kind === 'imagine' ? wish.pictures : wish.kind === 'photos' ? wish.photos : (wish.trainings ?? 1);

/**
 * Returns in how many seconds `wanted` more fit into the limit, as earlier requests leave the window; null: now, Infinity: never.
 *
 * @param used - requests within the window, oldest first
 */
function freeIn(used: readonly Usage[], wanted: number, limit: number, window: number): number | null {
  let rest = used.reduce((sum, { amount }) => sum + amount, 0) + wanted - limit;
  if (rest <= 0) return null;
  for (const { amount, secondsAgo } of used) {
    rest -= amount;
    if (rest <= 0) return window - secondsAgo;
  }
  // More than the limit.
  return Infinity;
}

/** `in 12 min (14:05 UTC)`. */
function when(seconds: number): string {
  const clock = new Date(Date.now() + seconds * 1000).toISOString().slice(11, 16);
  return `in ${duration(seconds)} (${clock} UTC)`;
}

function exceeded(message: string): KronaError {
  return new KronaError('QUOTA_EXCEEDED', message);
}

/** @throws KronaError QUOTA_EXCEEDED with the time from which it works again */
function checkAmount(who: string, quota: Quota, used: readonly Usage[], wish: Wish): void {
  const { name, noun, verb, period, window } = LIMITS[wish.kind];
  const limit = quota[name];
  if (limit === null) return;
  const wanted = amountOf(wish);
  const seconds = freeIn(used, wanted, limit, window);
  if (seconds === null) return;
  const most = `${who} can ${verb} ${counted(limit, noun)} in ${period}`;
  if (seconds === Infinity) throw exceeded(`${most}, and this request is for ${wanted}. Request fewer.`);
  throw exceeded(`${most}. Try again ${when(seconds)}.`);
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

/** @throws KronaError STORAGE_FULL */
function checkStorage(who: string, most: number, stored: number): void {
  if (stored < most) return;
  throw new KronaError(
    'STORAGE_FULL',
    `${who} can have ${byteSize(most)} of photos, pictures and adapters stored, and ${byteSize(stored)} are. ` +
      'Delete pictures with their button, or subjects with `/krona delete`.',
  );
}

/** Checks what all channels store together; this limit applies to moderators too. @throws KronaError STORAGE_FULL */
export async function checkTotalStorage(records: Records, channelId: string): Promise<void> {
  const most = storageLimit();
  if (most === null) return;
  const stored = await records.storedBytes({ channelId, reach: 'all' });
  checkStorage('All channels together', most, stored);
}

/** A quota with those whom it holds for together. */
interface Holder {
  readonly reach: Reach;
  /** As a sentence begins. */
  readonly who: string;
  readonly quota: Quota;
  /** The member whose usage counts; undefined: everybody's. */
  readonly memberId?: string;
}

const countedFor =
  ({ memberId }: Holder) =>
  (used: Pick<Usage, 'memberId'>): boolean =>
    memberId === undefined || used.memberId === memberId;

/** The quotas that bind a member in a channel: its own and those of its server. */
async function holders(records: Records, channelId: string, member: Member): Promise<Holder[]> {
  const rules = await records.rules(channelId);
  const server = await records.serverRules(channelId);
  const memberId = member.id;
  const here: Holder[] = [
    { reach: 'channel', who: 'You', quota: rules.member, memberId },
    { reach: 'channel', who: 'This channel', quota: rules.channel },
  ];
  if (server === null) return here;
  return [
    ...here,
    { reach: 'server', who: 'In the whole server you', quota: server.member, memberId },
    { reach: 'server', who: 'This server', quota: server.server },
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
  const all = await holders(records, channelId, member);
  for (const holder of all) {
    const { reach, who, quota } = holder;
    if (quota[name] === null) continue;
    const used = await records.usage(channelId, reach, wish.kind, window);
    checkAmount(who, quota, used.filter(countedFor(holder)), wish);
  }
  for (const { reach, who, quota, memberId } of all) {
    if (quota.storage === null) continue;
    const stored = await records.storedBytes({ channelId, reach, memberId });
    checkStorage(who, quota.storage * MIB, stored);
  }
  if (wish.kind === 'photos') return;
  for (const holder of all) {
    const { reach, who, quota } = holder;
    if (quota.open === null) continue;
    checkOpen(who, quota, (await records.openUsage(channelId, reach)).filter(countedFor(holder)));
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
  for (const kind of ['train', 'imagine', 'photos'] as const) {
    const { name, period, window } = LIMITS[kind];
    for (const holder of all) {
      const { reach, who, quota } = holder;
      const limit = quota[name];
      if (limit === null) continue;
      const used = await records.usage(channelId, reach, kind, window);
      const its = used.filter(countedFor(holder));
      const free = freeIn(its, 1, limit, window);
      const again = free === null ? '' : `; more ${when(free)}`;
      const sum = its.reduce((total, { amount }) => total + amount, 0);
      if (isShown(reach, sum, limit)) lines.push(`${who}: ${sum} of ${limit} ${name} in ${period}${again}.`);
    }
  }
  for (const holder of all) {
    const { reach, who, quota, memberId } = holder;
    if (quota.open !== null) {
      const { length } = (await records.openUsage(channelId, reach)).filter(countedFor(holder));
      if (isShown(reach, length, quota.open))
        lines.push(`${who}: ${length} of ${quota.open} jobs queued or running.`);
    }
    if (quota.storage !== null) {
      const stored = await records.storedBytes({ channelId, reach, memberId });
      const most = quota.storage * MIB;
      if (isShown(reach, stored, most))
        lines.push(`${who}: ${byteSize(stored)} of ${byteSize(most)} stored.`);
    }
  }
  return lines.length === 0 ? ['This channel has no limits.'] : lines;
}
