/** @file Names of channels by id: commands name their channel, reactions give its id alone. */
import type { RecordStore } from '../../storage/records.ts';
import type { Place } from '../gateway.ts';
import { RecentMap } from '../recent.ts';

const REMEMBERED = 5_000;

export class Places {
  readonly #records: RecordStore;
  readonly #names = new RecentMap<string, string>(REMEMBERED);

  constructor(records: RecordStore) {
    this.#records = records;
  }

  /** A channel as an event named it. */
  named(externalId: string, name: string): Place {
    this.#names.set(externalId, name);
    return { externalId, name };
  }

  /** A channel of which only the id is known; its name comes from the records, else it is the id. */
  async known(externalId: string): Promise<Place> {
    const name = this.#names.get(externalId);
    if (name !== undefined) return { externalId, name };
    const channels = await this.#records.channels('slack');
    return this.named(
      externalId,
      channels.find((channel) => channel.externalId === externalId)?.name ?? externalId,
    );
  }
}
