/**
 * @file Pictures as files at Slack, as image blocks show only those: uploaded without a channel, so that only messages
 * show them, and used when Slack has processed them.
 * https://docs.slack.dev/messaging/working-with-files
 */
import { createHash } from 'node:crypto';
import type { CommandContext } from '../../commands/contract.ts';
import { KronaError } from '../../core/errors.ts';
import { Picture } from '../../core/pictures/picture.ts';
import { RecentMap } from '../../core/recent.ts';
import type { FileDeletion } from './file-deletion.ts';
import type { Uploading } from './uploading.ts';

/** The formats that image blocks show. */
const SHOWN = ['png', 'jpeg', 'gif'];
/** Files remembered; older ones are uploaded again when they are shown again. */
const REMEMBERED = 2_000;
const UPLOADS_AT_ONCE = 4;

/** A file to be shown, by its content. */
export interface ShownFile {
  readonly key: string;
  /** As of `Records.addPlatformFile`. */
  readonly source: string;
  readonly alt: string;
  bytes(): Promise<Uint8Array>;
}

interface Known {
  readonly id: Promise<string>;
  /** Of a record's blob: deleted with the record. */
  readonly isBlob: boolean;
  /** A message in a channel shows it, perhaps one of an earlier process. */
  isLasting: boolean;
}

export class SlackFiles {
  readonly #uploading: Uploading;
  readonly #deletion: FileDeletion;
  readonly #blobs: CommandContext['blobs'];
  readonly #ids = new RecentMap<string, Known>(REMEMBERED);
  /** Keys that each message shows, by channel and ts. */
  readonly #shownBy = new RecentMap<string, ReadonlySet<string>>(REMEMBERED);

  constructor(uploading: Uploading, deletion: FileDeletion, blobs: CommandContext['blobs']) {
    this.#uploading = uploading;
    this.#deletion = deletion;
    this.#blobs = blobs;
  }

  /** A blob as a file to be shown. */
  ofBlob(hash: string, alt: string): ShownFile {
    return { key: hash, source: hash, alt, bytes: () => this.#blobs.get(hash) };
  }

  /**
   * Returns Slack's ids of the files, by key, all ready to be shown. Files that Slack has already, also from before a
   * restart, are not uploaded again; files whose bytes were deleted are left out.
   *
   * @throws KronaError SLACK_FILE_NOT_READY, SLACK_UPLOAD_FAILED
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

  /** Notes what a message in a channel shows now; files that no message shows any more are deleted at Slack. */
  async shows(message: string, keys: readonly string[]): Promise<void> {
    for (const known of keys.flatMap((key) => this.#ids.get(key) ?? [])) known.isLasting = true;
    await this.whispers(message, keys);
  }

  /** The same of a message to one member. When that is gone, what messages in channels show stays. */
  async whispers(message: string, keys: readonly string[]): Promise<void> {
    const before = this.#shownBy.get(message) ?? new Set<string>();
    const current = new Set(keys);
    this.#shownBy.delete(message);
    if (current.size > 0) this.#shownBy.set(message, current);
    const shown = new Set([...this.#shownBy.values()].flatMap((set) => [...set]));
    for (const key of before) {
      const known = current.has(key) || shown.has(key) ? undefined : this.#ids.get(key);
      if (known === undefined || (known.isBlob && known.isLasting)) continue;
      this.#ids.delete(key);
      const id = await known.id.catch(() => null);
      // Nobody sees the file any more: failing to delete it costs a little space.
      if (id !== null) await this.#deletion.delete(id).catch(() => undefined);
    }
  }

  /** Forgets those of the files that Slack does not have any more. True when there was one. */
  async forgetDeleted(keys: readonly string[]): Promise<boolean> {
    let forgotten = false;
    for (const key of keys) {
      const id = await this.#ids.get(key)?.id.catch(() => null);
      if (!id || (await this.#uploading.state(id)) !== 'gone') continue;
      this.#ids.delete(key);
      forgotten = true;
    }
    return forgotten;
  }

  async #idOf(file: ShownFile): Promise<string | null> {
    const known = this.#ids.get(file.key) ?? this.#find(file);
    return known.id.catch((error: unknown) => {
      if (error instanceof KronaError && error.code === 'BLOB_NOT_FOUND') return null;
      throw error;
    });
  }

  #find(file: ShownFile): Known {
    const standing = this.#standing(file);
    const id = standing.then((its) => its ?? this.#uploadImage(file));
    const known: Known = { id, isBlob: file.key === file.source, isLasting: false };
    this.#ids.set(file.key, known);
    id.catch(() => this.#ids.delete(file.key));
    standing.then(
      (its) => (known.isLasting ||= its !== null),
      () => undefined,
    );
    return known;
  }

  /** Returns the id of a file that an earlier process has uploaded; null when there is none ready to use. */
  async #standing({ key, source }: ShownFile): Promise<string | null> {
    // A curve changes with every step.
    if (key !== source) return null;
    const id = await this.#uploading.known(source);
    return id !== null && (await this.#uploading.state(id)) === 'ready' ? id : null;
  }

  async #uploadImage(file: ShownFile): Promise<string> {
    const bytes = await file.bytes();
    const picture = await Picture.open(bytes, 'The picture');
    const { format } = picture.header;
    const fits = SHOWN.includes(format);
    const image = fits ? bytes : (await picture.render((decoded) => decoded.png())).data;
    const name = `${createHash('sha256').update(file.key).digest('hex').slice(0, 12)}.${fits ? format : 'png'}`;
    const id = await this.#uploading.upload(image, { name, alt: file.alt, source: file.source });
    await this.#uploading.ready(id, name);
    return id;
  }
}
