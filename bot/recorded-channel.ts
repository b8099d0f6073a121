/** @file The record of a channel in which something happened. */
import type { Channel, Platform } from '../core/records.ts';
import type { Records } from '../storage/records.ts';
import type { Place } from './gateway.ts';

/** Finds or adds the record of a channel, with all that its event says of it. */
export const recordedChannel = (
  records: Records,
  platform: Platform,
  { externalId, name, ...facts }: Place,
): Promise<Channel> => records.channel(platform, externalId, name, facts);
