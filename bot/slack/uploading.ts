/** @file Uploads files to Slack, and waits until its blocks can show them. */
import type { CommandContext } from '../../commands/contract.ts';
import { pauseAfter } from '../../core/backoff.ts';
import { KronaError } from '../../core/errors.ts';
import { retry } from '../../core/retrying.ts';
import type { FilePlace } from '../../storage/records.ts';
import { reasonOf } from './failures.ts';
import type { SlackApi } from './web-api.ts';

/** Pauses between looks at a file that Slack is still processing. */
const LOOKS = { first: 150, longest: 2_000 };
/** Slack usually takes a few seconds. */
const LONGEST_WAIT = 30_000;

export interface UploadedFile {
  readonly name: string;
  readonly alt: string;
  /** As of `Records.addPlatformFile`. */
  readonly source: string;
}

export const isFileGone = (error: unknown): boolean =>
  ['file_not_found', 'file_deleted'].includes(reasonOf(error) ?? '');

export class Uploading {
  readonly #api: SlackApi;
  readonly #records: CommandContext['records'];
  readonly #place: FilePlace;

  constructor(api: SlackApi, records: CommandContext['records'], place: FilePlace) {
    this.#api = api;
    this.#records = records;
    this.#place = place;
  }

  /** The id of the newest file that this or an earlier process has uploaded for a source; null: none. */
  known(source: string): Promise<string | null> {
    return this.#records.platformFile(this.#place, source);
  }

  /**
   * Uploads a file and returns its id.
   *
   * @param to - a thread to share the file in; by default nobody sees it yet
   * @throws KronaError SLACK_UPLOAD_FAILED
   */
  async upload(
    bytes: Uint8Array,
    { name, alt, source }: UploadedFile,
    to?: { readonly channelId: string; readonly thread: string },
  ): Promise<string> {
    const begun = await this.#api.call('files.getUploadURLExternal', (client) =>
      client.files.getUploadURLExternal({
        filename: name,
        length: bytes.length,
        alt_text: alt.slice(0, 1_000),
      }),
    );
    const { upload_url: url, file_id: id } = begun;
    if (!url || !id) throw uploadFailed(name);
    // Before Slack has the bytes: whatever happens next, the file can be deleted there.
    await this.#records.addPlatformFile(this.#place, id, source);
    const sent = await fetch(url, { method: 'POST', body: Buffer.from(bytes) }).catch((cause: unknown) => {
      throw uploadFailed(name, cause);
    });
    await sent.body?.cancel();
    if (!sent.ok) throw uploadFailed(name);
    const files: [{ id: string; title: string }] = [{ id, title: name }];
    await this.#api.call('files.completeUploadExternal', (client) =>
      client.files.completeUploadExternal(
        to === undefined ? { files } : { files, channel_id: to.channelId, thread_ts: to.thread },
      ),
    );
    return id;
  }

  /**
   * Waits until image blocks can show a file: before, Slack answers `invalid_blocks`.
   *
   * @throws KronaError SLACK_FILE_NOT_READY, SLACK_UPLOAD_FAILED
   */
  async ready(id: string, name: string): Promise<void> {
    const until = performance.now() + LONGEST_WAIT;
    const look = async (): Promise<void> => {
      const state = await this.state(id);
      if (state === 'gone') throw uploadFailed(name);
      if (state === 'waiting') throw notReady(name);
    };
    await retry(look, {
      pause: (error, failures) => {
        const pause = pauseAfter(failures, LOOKS);
        return isNotReady(error) && performance.now() + pause < until ? pause : null;
      },
    });
  }

  async state(id: string): Promise<'ready' | 'waiting' | 'gone'> {
    try {
      const { file } = await this.#api.call('files.info', (client) => client.files.info({ file: id }));
      // Slack names the type once it has processed the file.
      return file?.mimetype ? 'ready' : 'waiting';
    } catch (error) {
      if (isFileGone(error)) return 'gone';
      throw error;
    }
  }
}

function uploadFailed(name: string, cause?: unknown): KronaError {
  return new KronaError('SLACK_UPLOAD_FAILED', `Slack did not accept the file ${name}. Krona tries again.`, {
    cause,
    retryable: true,
  });
}

const notReady = (name: string): KronaError =>
  new KronaError('SLACK_FILE_NOT_READY', `Slack is still processing ${name}. Krona shows it later.`, {
    retryable: true,
  });

const isNotReady = (error: unknown): boolean =>
  error instanceof KronaError && error.code === 'SLACK_FILE_NOT_READY';
