/** @file Deletes files at Slack whose pictures, photos, adapters or runs were deleted. */
import type { CommandContext } from '../../commands/contract.ts';
import type { Log } from '../../core/log.ts';
import { repeat } from '../../core/retrying.ts';
import { GONE, KEPT, reasonOf, SHUT } from './failures.ts';
import type { FilePlace } from '../../storage/records.ts';
import { isFileGone } from './uploading.ts';
import type { SlackApi } from './web-api.ts';

/** Pauses between looks for files to delete: usually, and the longest after failures, ms. */
const LOOK_EVERY = 1_000;
const LONGEST_PAUSE = 60_000;
/** Files deleted in one go. */
const BATCH = 50;

export class FileDeletion {
  readonly #api: SlackApi;
  readonly #records: CommandContext['records'];
  readonly #place: FilePlace;
  readonly #log: Log;
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(api: SlackApi, records: CommandContext['records'], place: FilePlace, log: Log) {
    this.#api = api;
    this.#records = records;
    this.#place = place;
    this.#log = log;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Stops after the deletion under way. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  /** Deletes a file at Slack, if it still exists. */
  async delete(id: string): Promise<void> {
    await this.#api
      .call('files.delete', (client) => client.files.delete({ file: id }))
      .catch((error: unknown) => {
        if (!isFileGone(error)) throw error;
      });
    await this.#records.removePlatformFile('slack', id);
  }

  #run(): Promise<void> {
    const { signal } = this.#stopping;
    return repeat(() => this.#deleteUnwanted(), {
      every: LOOK_EVERY,
      pauses: { first: 2 * LOOK_EVERY, longest: LONGEST_PAUSE },
      signal,
      onError: (error) => {
        if (!signal.aborted) this.#log.warn({ error }, 'Slack: could not delete a file; Krona tries again');
      },
    });
  }

  /** @throws the first error, after all were tried: a file that can't be deleted does not hold up the others */
  async #deleteUnwanted(): Promise<void> {
    const failures: unknown[] = [];
    for (const id of await this.#records.unwantedPlatformFiles(this.#place, BATCH))
      if (!this.#stopping.signal.aborted)
        await this.#unshare(id)
          .then(() => this.delete(id))
          .catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  }

  /**
   * Deletes our messages that share a file in threads; they would stay and say that it was deleted. Before the file, as
   * only the file names them: a failure in between loses none. Cards, which stand in no thread, are not touched.
   */
  async #unshare(id: string): Promise<void> {
    const { file } = await this.#api
      .call('files.info', (client) => client.files.info({ file: id }))
      .catch((error: unknown) => {
        if (isFileGone(error) || reasonOf(error) === 'missing_scope') return { file: undefined };
        throw error;
      });
    const shares = [file?.shares?.public, file?.shares?.private].flatMap((kind) =>
      Object.entries(kind ?? {}),
    );
    for (const [channel, messages] of shares)
      for (const { ts, thread_ts: thread } of messages) {
        if (!ts || !thread || thread === ts) continue;
        await this.#api
          .call('chat.delete', (client) => client.chat.delete({ channel, ts }))
          .catch((error: unknown) => {
            if (![...GONE, ...KEPT, ...SHUT].includes(reasonOf(error) ?? '')) throw error;
          });
      }
  }
}
