/**
 * @file Channels as events name them: commands by id and name, reactions by id alone, and private channels by the word
 * `privategroup` in place of their name. https://docs.slack.dev/interactivity/implementing-slash-commands
 */
import type { Log } from '../../core/log.ts';
import type { RecordStore } from '../../storage/records.ts';
import type { Place } from '../gateway.ts';
import { RecentMap } from '../../core/recent.ts';
import { reasonOf } from './failures.ts';
import { ownId } from '../../core/own-id.ts';
import type { Ids } from './ids.ts';
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
  readonly ids: Ids;
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
  named(id: string, name: string): Place {
    const known = this.#names.get(id);
    const shown = name === PRIVATE || name === UNNAMED ? (known ?? UNNAMED) : name;
    this.#names.set(id, shown);
    const { ids, team } = this.#parts;
    return { externalId: ids.record(id), name: shown, serverId: team };
  }

  /** A channel of which only the id is known; its name comes from the records, else it is the id. */
  async known(id: string): Promise<Place> {
    const name = this.#names.get(id);
    if (name !== undefined) return this.named(id, name);
    const { ids, records } = this.#parts;
    const found = await records.channelByExternalId('slack', ids.record(id));
    return this.named(id, found?.name ?? id);
  }

  /** A channel with the name that Slack tells where its event did not; null: a direct message, of two or several. */
  async settled({ externalId, name }: Place): Promise<Place | null> {
    const id = ownId(externalId);
    if (isDirect(id, name)) return null;
    if (name !== UNNAMED) return this.named(id, name);
    const asked = this.#asked.get(id) ?? this.#ask(id);
    this.#asked.set(id, asked);
    const conversation = await asked;
    return conversation.direct ? null : this.named(id, conversation.name ?? name);
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
