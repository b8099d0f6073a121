/** @file The channels of the web chat. */
import { KronaError } from '../../core/errors.ts';
import type { Channel } from '../../core/records.ts';
import type { RecordStore } from '../../storage/records.ts';
import { type ChannelView, MAX_NAME } from './protocol.ts';

const MOST_CHANNELS = 200;

/** A channel's name as people write it, turned into one that fits in an address: `My Cats!` becomes `my-cats`. */
function channelSlug(name: string): string {
  const slug = name
    .normalize('NFC')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}_]+/gu, '-')
    .replace(/^-|-$/g, '');
  if (slug === '' || [...slug].length > MAX_NAME)
    throw new KronaError(
      'CHANNEL_NAME_INVALID',
      `A channel name has 1 to ${MAX_NAME} letters, digits, - or _.`,
    );
  return slug;
}

export class Channels {
  readonly #records: RecordStore;

  constructor(records: RecordStore) {
    this.#records = records;
  }

  async list(): Promise<ChannelView[]> {
    return (await this.#records.channels('web')).map(({ externalId, name }) => ({ id: externalId, name }));
  }

  /** @throws KronaError CHANNEL_UNKNOWN */
  async find(id: string): Promise<Channel> {
    const channel = (await this.#records.channels('web')).find(({ externalId }) => externalId === id);
    if (channel) return channel;
    throw new KronaError('CHANNEL_UNKNOWN', 'This channel does not exist.');
  }

  /** Opens a channel, or returns the one that has this name. @throws KronaError CHANNEL_NAME_INVALID, CHANNELS_FULL */
  async open(name: string): Promise<ChannelView> {
    const slug = channelSlug(name);
    const before = await this.list();
    if (!before.some(({ id }) => id === slug) && before.length >= MOST_CHANNELS)
      throw new KronaError('CHANNELS_FULL', `There are ${MOST_CHANNELS} channels already. Use one of those.`);
    const channel = await this.#records.channel('web', slug, slug);
    return { id: channel.externalId, name: channel.name };
  }
}
