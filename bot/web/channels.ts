/** @file The channels of the web chat. */
import { KronaError } from '../../core/errors.ts';
import type { Channel, Member } from '../../core/records.ts';
import { defaultRules, LIMITS } from '../../core/rules.ts';
import type { ChannelFacts, Records, RecordStore } from '../../storage/records.ts';
import { type ChannelView, FIRST_CHANNEL, MAX_NAME } from './protocol.ts';

const MOST_CHANNELS = 200;
/** The web chat as a server, in the records. */
const SERVER = 'web';
/** Channels that one member can have opened, moderators apart. */
const MOST_OF_MEMBER = 10;
/** The log's word for a channel that was opened. */
const OPENED = 'channel';

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

export interface ChannelsParts {
  readonly records: RecordStore;
  /** Only people on this machine use the chat: nobody's requests are limited. */
  readonly local: boolean;
}

export class Channels {
  readonly #records: RecordStore;
  readonly #local: boolean;
  /** Where strangers reach them, the channels have a server's limits and blocks together. */
  readonly #facts: ChannelFacts;

  constructor({ records, local }: ChannelsParts) {
    this.#records = records;
    this.#local = local;
    this.#facts = local ? {} : { serverId: SERVER };
  }

  /** Opens the first channel, and limits what members can request, unless moderators have set limits or the chat is local. */
  async start(): Promise<void> {
    await this.#records.channel('web', FIRST_CHANNEL, FIRST_CHANNEL);
    for (const { id, externalId, name } of await this.#records.channels('web')) {
      await this.#records.channel('web', externalId, name, this.#facts);
      await this.#limit(id);
    }
  }

  async list(): Promise<ChannelView[]> {
    return (await this.#records.channels('web')).map(({ externalId, name }) => ({ id: externalId, name }));
  }

  /** @throws KronaError CHANNEL_UNKNOWN */
  async find(id: string): Promise<Channel> {
    const channel = await this.#records.channelByExternalId('web', id);
    if (channel) return channel;
    throw new KronaError('CHANNEL_UNKNOWN', 'This channel does not exist.');
  }

  /**
   * Opens a channel, or returns the one that has this name.
   *
   * @throws KronaError CHANNEL_NAME_INVALID, CHANNELS_FULL, CHANNEL_QUOTA
   */
  async open(name: string, by: Member, moderator: boolean): Promise<ChannelView> {
    const slug = channelSlug(name);
    return this.#records.transaction(async (records) => {
      const before = await records.channels('web');
      const known = before.find(({ externalId }) => externalId === slug);
      if (known !== undefined) return { id: known.externalId, name: known.name };
      if (before.length >= MOST_CHANNELS)
        throw new KronaError(
          'CHANNELS_FULL',
          `There are ${MOST_CHANNELS} channels already. Use one of those.`,
        );
      const { entries } = await records.memberData(by.id);
      const opened = entries.filter(({ action }) => action === OPENED).length;
      if (!moderator && opened >= MOST_OF_MEMBER)
        throw new KronaError(
          'CHANNEL_QUOTA',
          `You have opened ${opened} channels, and a member can open ${MOST_OF_MEMBER}. Use one of those, or ask a moderator.`,
        );
      const channel = await records.channel('web', slug, slug, this.#facts);
      await records.addAudit({ channelId: channel.id, memberId: by.id, action: OPENED, details: slug });
      await this.#limit(channel.id, records);
      return { id: channel.externalId, name: channel.name };
    });
  }

  /** Deletes a channel with everything in it. @throws KronaError CHANNEL_UNKNOWN, CHANNEL_NEEDED */
  async remove(id: string): Promise<void> {
    const channel = await this.find(id);
    if (id === FIRST_CHANNEL)
      throw new KronaError(
        'CHANNEL_NEEDED',
        `#${FIRST_CHANNEL} can't be deleted: it is the default channel.`,
      );
    await this.#records.deleteChannel(channel.id);
  }

  async #limit(channelId: string, records: Records = this.#records): Promise<void> {
    if (!this.#local) await records.startRules(channelId, { ...defaultRules('web'), ...LIMITS });
  }
}
