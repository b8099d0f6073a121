/** @file The record of a channel in which something happened. */
import { KronaError } from '../core/errors.ts';
import type { Channel, Platform } from '../core/records.ts';
import { defaultRules } from '../core/rules.ts';
import type { Records } from '../storage/records.ts';
import type { Place } from './gateway.ts';

/**
 * Finds or adds the record of a channel, with all that its event says of it. In the web chat the record is the channel
 * itself: one that a moderator has just deleted doesn't come back, without its limits, by what was still on its way.
 *
 * @throws KronaError CHANNEL_UNKNOWN in the web chat
 */
export async function recordedChannel(
  records: Pick<Records, 'channel' | 'channelByExternalId' | 'startRules'>,
  platform: Platform,
  { externalId, name, direct = false, ...facts }: Place,
): Promise<Channel> {
  if (platform !== 'web') {
    const channel = await records.channel(platform, externalId, name, facts);
    // Nobody moderates it, so adult images are held back whatever the model.
    if (direct) await records.startRules(channel.id, { ...defaultRules(platform), safety: 'block' });
    return channel;
  }
  const found = await records.channelByExternalId(platform, externalId);
  if (found) return found;
  throw new KronaError('CHANNEL_UNKNOWN', 'This channel does not exist.');
}
