/** @file Writes the lines of the web chat, and tells the pages that watch. */
import type { Channel } from '../../core/records.ts';
import type { RecordStore } from '../../storage/records.ts';
import type { Hub } from './hub.ts';
import type { CardBody, SaidBody } from './protocol.ts';

export interface NewLine {
  readonly id: string;
  readonly channel: Channel;
  /** null: Krona. */
  readonly memberId: string | null;
  readonly body: CardBody | SaidBody;
}

export class Lines {
  readonly #records: RecordStore;
  readonly #hub: Hub;

  constructor(records: RecordStore, hub: Hub) {
    this.#records = records;
    this.#hub = hub;
  }

  /** Adds a line. False when it was added before. @throws KronaError LINE_ID_TAKEN */
  async add({ id, channel, memberId, body }: NewLine): Promise<boolean> {
    const { added } = await this.#records.addLine({ id, channelId: channel.id, memberId, body });
    if (!added) return false;
    this.#changed(channel, body);
    return true;
  }

  /** Changes the body of a line, of which channel and member stay the same. @throws KronaError LINE_NOT_FOUND */
  async update({ id, channel, memberId, body }: NewLine): Promise<void> {
    await this.#records.updateLine({ id, channelId: channel.id, memberId, body });
    if (body.kind === 'said') this.#changed(channel, body);
    else this.#hub.refresh(channel.externalId);
  }

  /** Removes a line of Krona's. */
  async remove(channel: Channel, id: string): Promise<void> {
    await this.#records.removeLine(channel.id, null, id);
    this.#hub.refresh(channel.externalId);
  }

  #changed({ externalId }: Channel, body: CardBody | SaidBody): void {
    this.#hub.refresh(externalId);
    if (body.kind === 'card' || body.state === 'settled') this.#hub.tellElsewhere(externalId);
  }
}
