/**
 * @file Files of a card, put in its message's thread once. Slack is asked for what is there already, so a restart uploads
 * nothing twice; a file's name holds its record's id.
 */
import type { CardFile } from '../../commands/card.ts';
import type { BlobStore } from '../../storage/blobs/contract.ts';
import { KronaError } from '../../core/errors.ts';
import { Lanes } from '../lanes.ts';
import type { Uploading } from './uploading.ts';
import type { SlackApi } from './web-api.ts';

/** Larger files get only a link: the bot holds one in memory while it sends it. */
const MOST_BYTES = 100 * 1024 * 1024;

export class ThreadFiles {
  readonly #api: SlackApi;
  readonly #uploading: Uploading;
  readonly #blobs: BlobStore;
  readonly #there = new Set<string>();
  readonly #lanes = new Lanes();

  constructor(api: SlackApi, uploading: Uploading, blobs: BlobStore) {
    this.#api = api;
    this.#uploading = uploading;
    this.#blobs = blobs;
  }

  /** @param botUser - who has uploaded them */
  attach(channelId: string, thread: string, file: CardFile, botUser: string): Promise<void> {
    const key = `${channelId} ${file.name}`;
    return this.#lanes.run(channelId, async () => {
      if (this.#there.has(key) || file.size > MOST_BYTES) return;
      if (!(await this.#isThere(channelId, file.name, botUser))) {
        const bytes = await this.#blobs.get(file.blobHash).catch((error: unknown) => {
          if (error instanceof KronaError && error.code === 'BLOB_NOT_FOUND') return null;
          throw error;
        });
        if (bytes === null) return;
        const { name, blobHash: source } = file;
        await this.#uploading.upload(bytes, { name, alt: name, source }, { channelId, thread });
      }
      this.#there.add(key);
    });
  }

  async #isThere(channel: string, name: string, user: string): Promise<boolean> {
    const { files = [] } = await this.#api.call('files.list', (client) =>
      client.files.list({ channel, user, count: 200 }),
    );
    return files.some((file) => file.name === name);
  }
}
