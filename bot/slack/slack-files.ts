/**
 * @file Pictures as files at Slack, whose image blocks show nothing else of ours: uploaded without a channel, so that
 * only messages show them, and used when Slack has finished with them.
 * https://docs.slack.dev/messaging/working-with-files
 */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import sharp from 'sharp';
import type { CommandContext } from '../../commands/contract.ts';
import { KronaError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { GONE, KEPT, reasonOf } from './failures.ts';
import type { SlackApi } from './web-api.ts';

/** What image blocks can show. */
const SHOWN = ['png', 'jpeg', 'gif'];
/** Looks at a file that Slack is not done with: the first after this, then rarer, ms. */
const FIRST_LOOK = 150;
const LAST_LOOK = 2_000;
/** Slack is usually done within seconds. */
const LONGEST_WAIT = 30_000;
/** Files remembered; the oldest are uploaded again when they are shown again. */
const REMEMBERED = 2_000;
const UPLOADS_AT_ONCE = 4;

/** How often is looked for files to delete, and how rarely after failures, ms; how many are deleted in one go. */
const LOOK_EVERY = 1_000;
const LONGEST_PAUSE = 60_000;
const BATCH = 50;

/** A file to be shown, by what is in it. */
export interface ShownFile {
  readonly key: string;
  /** As of `Records.addPlatformFile`. */
  readonly source: string;
  readonly alt: string;
  bytes(): Promise<Uint8Array>;
}

export class SlackFiles {
  readonly #api: SlackApi;
  readonly #context: Pick<CommandContext, 'blobs' | 'records'>;
  readonly #log: Log;
  readonly #stopping = new AbortController();
  #deleting: Promise<void> = Promise.resolve();
  readonly #ids = new Map<string, Promise<string>>();
  /** Keys that each message shows, by channel and ts. */
  readonly #shownBy = new Map<string, ReadonlySet<string>>();

  constructor(api: SlackApi, context: Pick<CommandContext, 'blobs' | 'records'>, log: Log) {
    this.#api = api;
    this.#context = context;
    this.#log = log;
  }

  /** From now on, files whose pictures, photos, adapters or runs are deleted are deleted at Slack, too. */
  start(): void {
    this.#deleting = this.#deleteUnwanted();
  }

  /** Stops after the deletion under way. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#deleting;
  }

  /** A blob as a file to be shown. */
  ofBlob(hash: string, alt: string): ShownFile {
    return { key: hash, source: hash, alt, bytes: () => this.#context.blobs.get(hash) };
  }

  /**
   * Slack's ids of the files, by key, all ready to be shown. What Slack has already, also from before a restart, is
   * not uploaded again.
   *
   * @throws KronaError SLACK_FILE_NOT_READY, SLACK_UPLOAD_FAILED; files whose bytes are deleted are left out
   */
  async idsOf(files: readonly ShownFile[]): Promise<Map<string, string>> {
    const ids = new Map<string, string>();
    for (let from = 0; from < files.length; from += UPLOADS_AT_ONCE)
      await Promise.all(
        files.slice(from, from + UPLOADS_AT_ONCE).map(async (file) => {
          const id = await this.#idOf(file);
          if (id !== null) ids.set(file.key, id);
        }),
      );
    return ids;
  }

  /** Notes what a message shows now; what no message shows any more is deleted at Slack. */
  async shows(message: string, keys: readonly string[]): Promise<void> {
    const before = this.#shownBy.get(message) ?? new Set<string>();
    const now = new Set(keys);
    this.#shownBy.delete(message);
    if (now.size > 0) this.#shownBy.set(message, now);
    if (this.#shownBy.size > REMEMBERED) this.#shownBy.delete(this.#shownBy.keys().next().value!);
    const shown = new Set([...this.#shownBy.values()].flatMap((set) => [...set]));
    for (const key of before) {
      const known = now.has(key) || shown.has(key) ? undefined : this.#ids.get(key);
      if (known === undefined) continue;
      this.#ids.delete(key);
      const id = await known.catch(() => null);
      // Nobody sees the file any more: failing to delete it costs a little space.
      if (id !== null) await this.#delete(id).catch(() => undefined);
    }
  }

  async #deleteUnwanted(): Promise<void> {
    const { records } = this.#context;
    const { signal } = this.#stopping;
    let pause = LOOK_EVERY;
    while (!signal.aborted) {
      let failures = 0;
      const failed = (error: unknown) => {
        failures += 1;
        if (!signal.aborted) this.#log.warn({ error }, 'Slack: could not delete a file; it is tried again');
      };
      const ids = await records.unwantedPlatformFiles('slack', BATCH).catch((error: unknown) => {
        failed(error);
        return [];
      });
      // One that cannot be deleted does not keep the others.
      for (const id of ids)
        if (!signal.aborted)
          await this.#unshare(id)
            .then(() => this.#delete(id))
            .catch(failed);
      pause = failures === 0 ? LOOK_EVERY : Math.min(LONGEST_PAUSE, 2 * pause);
      await sleep(pause, undefined, { signal }).catch(() => undefined);
    }
  }

  /**
   * Takes back our messages that put a file into threads; without it they would stay and say that it was deleted.
   * Before the file is deleted, as it alone tells of them: a failure in between loses none. Cards, which stand in no
   * thread, only show files and are not touched.
   */
  async #unshare(id: string): Promise<void> {
    const { file } = await this.#api
      .call('files.info', (client) => client.files.info({ file: id }))
      .catch((error: unknown) => {
        if (isGone(error) || reasonOf(error) === 'missing_scope') return { file: undefined };
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
            if (![...GONE, ...KEPT].includes(reasonOf(error) ?? '')) throw error;
          });
      }
  }

  /** Deletes a file at Slack, if it is still there. */
  async #delete(id: string): Promise<void> {
    await this.#api
      .call('files.delete', (client) => client.files.delete({ file: id }))
      .catch((error: unknown) => {
        if (!isGone(error)) throw error;
      });
    await this.#context.records.removePlatformFile('slack', id);
  }

  /** Forgets those of the files that Slack does not have any more. True when there was one. */
  async forgetDeleted(keys: readonly string[]): Promise<boolean> {
    let forgotten = false;
    for (const key of keys) {
      const id = await this.#ids.get(key)?.catch(() => null);
      if (!id || (await this.#state(id)) !== 'gone') continue;
      this.#ids.delete(key);
      forgotten = true;
    }
    return forgotten;
  }

  async #idOf(file: ShownFile): Promise<string | null> {
    let known = this.#ids.get(file.key);
    if (known === undefined) {
      known = this.#standing(file).then((id) => id ?? this.#uploadImage(file));
      this.#ids.set(file.key, known);
      known.catch(() => this.#ids.delete(file.key));
      if (this.#ids.size > REMEMBERED) this.#ids.delete(this.#ids.keys().next().value!);
    }
    return known.catch((error: unknown) => {
      if (error instanceof KronaError && error.code === 'BLOB_NOT_FOUND') return null;
      throw error;
    });
  }

  /** The id of a file that a process before this one has uploaded; null when there is none that is good to use. */
  async #standing({ key, source }: ShownFile): Promise<string | null> {
    // A curve is another one with every step.
    if (key !== source) return null;
    const id = await this.#context.records.platformFile('slack', source);
    return id !== null && (await this.#state(id)) === 'ready' ? id : null;
  }

  async #uploadImage(file: ShownFile): Promise<string> {
    const bytes = await file.bytes();
    const { format } = await sharp(bytes).metadata();
    const fits = SHOWN.includes(format ?? '');
    const image = fits ? bytes : await sharp(bytes).png().toBuffer();
    const name = `${createHash('sha256').update(file.key).digest('hex').slice(0, 12)}.${fits ? format : 'png'}`;
    const id = await this.upload(image, { name, alt: file.alt, source: file.source });
    await this.#ready(id, name);
    return id;
  }

  /**
   * Uploads a file and returns its id: into a channel's thread where `to` says so, else seen by nobody yet.
   *
   * @throws KronaError SLACK_UPLOAD_FAILED
   */
  async upload(
    bytes: Uint8Array,
    { name, alt, source }: Pick<ShownFile, 'alt' | 'source'> & { readonly name: string },
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
    // Before Slack has the bytes: whatever happens next, the file is not forgotten there.
    await this.#context.records.addPlatformFile('slack', id, source);
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

  /** Waits until image blocks can show a file: before, Slack answers `invalid_blocks`. */
  async #ready(id: string, name: string): Promise<void> {
    const until = Date.now() + LONGEST_WAIT;
    for (let pause = FIRST_LOOK; ; pause = Math.min(LAST_LOOK, pause * 1.6)) {
      const state = await this.#state(id);
      if (state === 'ready') return;
      if (state === 'gone') throw uploadFailed(name);
      if (Date.now() + pause > until)
        throw new KronaError(
          'SLACK_FILE_NOT_READY',
          `Slack is still working on ${name}; it is shown later.`,
          {
            retryable: true,
          },
        );
      await sleep(pause);
    }
  }

  async #state(id: string): Promise<'ready' | 'waiting' | 'gone'> {
    try {
      const { file } = await this.#api.call('files.info', (client) => client.files.info({ file: id }));
      // Type and kind are told once Slack has looked into the file.
      return file?.mimetype ? 'ready' : 'waiting';
    } catch (error) {
      if (isGone(error)) return 'gone';
      throw error;
    }
  }
}

const isGone = (error: unknown): boolean =>
  ['file_not_found', 'file_deleted'].includes(reasonOf(error) ?? '');

function uploadFailed(name: string, cause?: unknown): KronaError {
  return new KronaError('SLACK_UPLOAD_FAILED', `Slack did not take the file ${name}; Krona tries again.`, {
    cause,
    retryable: true,
  });
}
