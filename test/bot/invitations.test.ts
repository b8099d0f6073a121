/** The numbers to vote with: each put on its message once, also through failures that last for minutes. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Invitations } from '../../bot/invitations.ts';
import type { Card } from '../../commands/card.ts';
import type { Log } from '../../core/log.ts';

vi.mock('node:timers/promises', () => import('../helpers/timers-promises.ts'));

const MINUTE = 60_000;
const warnings: string[] = [];
const log: Log = { info: () => {}, warn: (_, message) => warnings.push(message), error: () => {} };

/** What is on each message; the platform answers as long as it is there. */
const stands: string[] = [];
let reachable = true;
let tries = 0;
const put = async (channelId: string, messageId: string, emoji: string) => {
  tries++;
  if (!reachable) throw new Error('no network');
  stands.push(`${channelId} ${messageId} ${emoji}`);
};
let invitations: Invitations;

beforeEach(() => {
  vi.useFakeTimers();
  stands.length = warnings.length = 0;
  reachable = true;
  tries = 0;
  invitations = new Invitations(put, log);
});
afterEach(() => {
  invitations.stop();
  vi.useRealTimers();
});

/** A card of so many pictures to vote on. */
const cardOf = (pictures: number, votesOn?: string): Card => ({
  tone: 'success',
  title: 'a fox',
  ...(votesOn === undefined ? {} : { votesOn }),
  pictures: Array.from({ length: pictures }, (_, n) => ({
    id: `p${n}`,
    blobHash: 'f'.repeat(64),
    alt: 'a fox',
  })),
});
const invite = (pictures: number, message = 'm1') =>
  invitations.invite('c1', message, cardOf(pictures, 'a set'));

it('adds a number reaction for each picture, in order', async () => {
  await invite(3);
  expect(stands).toEqual(['c1 m1 1️⃣', 'c1 m1 2️⃣', 'c1 m1 3️⃣']);
});

it('adds none to messages without pictures', async () => {
  await invitations.invite('c1', 'm1', cardOf(2));
  await invite(0);
  expect(tries).toBe(0);
});

it('adds only the missing numbers', async () => {
  await invite(1);
  invitations.note('c1', 'm1', '2️⃣');
  await invite(3);
  expect(stands).toEqual(['c1 m1 1️⃣', 'c1 m1 3️⃣']);
  // Another message has numbers of its own.
  await invite(1, 'm2');
  expect(stands.at(-1)).toBe('c1 m2 1️⃣');
});

it('adds each number once when asked twice at the same time', async () => {
  await Promise.all([invite(2), invite(2), invite(3)]);
  expect(stands).toEqual(['c1 m1 1️⃣', 'c1 m1 2️⃣', 'c1 m1 3️⃣']);
});

it('retries while the network is down for minutes, and logs it once', async () => {
  reachable = false;
  const done = invite(2);
  await vi.advanceTimersByTimeAsync(4 * MINUTE);
  expect(tries).toBeGreaterThan(1);
  expect(tries).toBeLessThan(10);
  expect(stands).toEqual([]);
  reachable = true;
  await vi.advanceTimersByTimeAsync(10 * MINUTE);
  await done;
  expect(stands).toEqual(['c1 m1 1️⃣', 'c1 m1 2️⃣']);
  expect(warnings).toHaveLength(1);
});

it('gives up after 15 minutes, until the message is edited', async () => {
  reachable = false;
  const done = invite(1);
  await vi.advanceTimersByTimeAsync(60 * MINUTE);
  await done;
  const vain = tries;
  await vi.advanceTimersByTimeAsync(60 * MINUTE);
  expect(tries).toBe(vain);
  reachable = true;
  await invite(1);
  expect(stands).toEqual(['c1 m1 1️⃣']);
});

it('stops during a pause', async () => {
  reachable = false;
  const done = invite(1);
  await vi.advanceTimersByTimeAsync(1);
  invitations.stop();
  await done;
  reachable = true;
  await vi.advanceTimersByTimeAsync(60 * MINUTE);
  expect(stands).toEqual([]);
});
