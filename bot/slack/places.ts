/**
 * @file Channels as events name them: commands by id and name, reactions by id alone, and private channels by the word
 * `privategroup` in place of their name. https://docs.slack.dev/interactivity/implementing-slash-commands
 */
import type { Log } from '../../core/log.ts';
import type { RecordStore } from '../../storage/records.ts';
import type { Place } from '../gateway.ts';
import { RecentMap } from '../../core/recent.ts';
import { reasonOf } from './failures.ts';
import type { SlackApi } from './web-api.ts';

const REMEMBERED = 5_000;
/** What events call every private channel, and every conversation of two. */
const PRIVATE = 'privategroup';
const DIRECT = 'directmessage';
/** The name of a private channel that Slack does not tell. */
const UNNAMED = 'private channel';

export interface PlacesParts {
  readonly api: SlackApi;
  readonly records: RecordStore;
  /** The workspace. */
  readonly team: string;
  readonly log: Log;
}

interface Conversation {
  /** null when Slack does not tell. */
  readonly name: string | null;
  readonly direct: boolean;
}

export class Places {
  readonly #parts: PlacesParts;
  readonly #names = new RecentMap<string, string>(REMEMBERED);
  readonly #asked = new RecentMap<string, Promise<Conversation>>(REMEMBERED);

  constructor(parts: PlacesParts) {
    this.#parts = parts;
  }

  /** A channel as an event named it. */
  named(externalId: string, name: string): Place {
    const known = this.#names.get(externalId);
    const shown = name === PRIVATE || name === UNNAMED ? (known ?? UNNAMED) : name;
    this.#names.set(externalId, shown);
    return { externalId, name: shown, serverId: this.#parts.team };
  }

  /** A channel of which only the id is known; its name comes from the records, else it is the id. */
  async known(externalId: string): Promise<Place> {
    const name = this.#names.get(externalId);
    if (name !== undefined) return this.named(externalId, name);
    const found = await this.#parts.records.channelByExternalId('slack', externalId);
    return this.named(externalId, found?.name ?? externalId);
  }

  /** A channel with the name that Slack tells where its event did not; null: a direct message, of two or several. */
  async settled({ externalId, name }: Place): Promise<Place | null> {
    if (isDirect(externalId, name)) return null;
    if (name !== UNNAMED) return this.named(externalId, name);
    const asked = this.#asked.get(externalId) ?? this.#ask(externalId);
    this.#asked.set(externalId, asked);
    const conversation = await asked;
    return conversation.direct ? null : this.named(externalId, conversation.name ?? name);
  }

  async #ask(channel: string): Promise<Conversation> {
    try {
      const { channel: found } = await this.#parts.api.call('conversations.info', (client) =>
        client.conversations.info({ channel }),
      );
      return { name: found?.name ?? null, direct: found?.is_im === true || found?.is_mpim === true };
    } catch (error) {
      // The scope is optional, and the app may not be in the channel.
      if (!['missing_scope', 'channel_not_found'].includes(reasonOf(error) ?? '')) {
        this.#asked.delete(channel);
        this.#parts.log.warn({ error }, 'Slack: could not ask for the name of a private channel');
      }
      return { name: null, direct: false };
    }
  }
}

/** Whether an event was in a direct message: of two (`D…`), or of several (`mpdm-ann--bob-1`). */
export const isDirect = (channelId: string, name: string): boolean =>
  channelId.startsWith('D') || name === DIRECT || name.startsWith('mpdm-');
