/** Reactions that Slack sends late: what a member has changed since must not count again. */
import { expect, it } from 'vitest';
import type { GatewayHandlers } from '../../bot/gateway.ts';
import { ReactionEvents, type ReactionEventsParts } from '../../bot/slack/reaction-events.ts';

/** What the bot was told to do, in order. */
function desk() {
  const told: string[] = [];
  const handlers: Pick<GatewayHandlers, 'onReaction' | 'onMissed'> = {
    onReaction: async ({ emoji, added }) => told.push(`${emoji} ${added ? 'added' : 'removed'}`) > 0,
    onMissed: async (place) => void told.push(`read ${place?.messageId} from Slack`),
  };
  const parts = {
    botUser: 'UKRONA',
    members: { person: async (id: string) => ({ id, name: id, bot: false }) },
    places: { known: async (id: string) => ({ externalId: id, name: id }) },
    handlers,
    stopping: new AbortController().signal,
  } as unknown as ReactionEventsParts;
  return { events: new ReactionEvents(parts), told };
}

/** Mia's 👍 on a message of Krona's, given so many seconds ago. */
const thumb = (secondsAgo: number) => ({
  type: 'reaction_added' as const,
  user: 'UMIA',
  reaction: '+1',
  item_user: 'UKRONA',
  item: { type: 'message' as const, channel: 'CPETS', ts: '1.1' },
  event_ts: (Date.now() / 1000 - secondsAgo).toFixed(6),
});

it.each([
  ['counts at once', 0, false, '+1 added'],
  [
    'is checked against Slack when it was held up, even if Slack does not call it a retry',
    60,
    false,
    'read 1.1 from Slack',
  ],
  ['is checked against Slack when Slack sends it again', 0, true, 'read 1.1 from Slack'],
])('a reaction %s', async (_, secondsAgo, isRetry, expected) => {
  const { events, told } = desk();
  await events.take(thumb(secondsAgo), true, isRetry);
  expect(told).toEqual([expected]);
});

it('an older event is dropped after a newer one', async () => {
  const { events, told } = desk();
  const [older, newer] = [thumb(30), thumb(1)];
  await events.take({ ...newer, type: 'reaction_removed' }, false, false);
  await events.take(older, true, true);
  expect(told).toEqual(['+1 removed']);
});
