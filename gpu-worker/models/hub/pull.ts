/** @file Downloads a model from the hub: the files that it needs here, into one folder. */
import { statfs } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { bytesHere, downloadTo } from '../../../core/download.ts';
import { KronaError } from '../../../core/errors.ts';
import { makeFolder } from '../../../core/files.ts';
import { byteSize } from '../../../core/format.ts';
import type { Progress } from '../../../core/records.ts';
import { tooLarge, VOCABULARY_BYTES } from '../small-file.ts';
import { chooseFolderFiles, chooseSingleFile, type Part } from './choose-files.ts';
import { HubClient, type HubFile, type HubSettings, type HubSnapshot } from './hub-client.ts';

export interface PullOptions {
  /** `owner/name` */
  readonly repo: string;
  /** Branch, tag or commit. */
  readonly revision: string;
  /** `fp16`, …; default: full precision if available. */
  readonly variant?: string;
  /** Only these parts of the folder. */
  readonly only?: readonly Part[];
  /** A single-file checkpoint of the repository instead of its folder. */
  readonly file?: string;
  /** Output folder. */
  readonly to: string;
}

export interface PullHooks {
  /** Steps are MiB. */
  readonly onProgress?: (progress: Progress) => void;
  /** After each file that came over the network and is whole. */
  readonly onFile?: () => void;
  readonly signal?: AbortSignal;
  readonly patienceMs?: number;
}

export interface PullResult {
  /** The value for `--model`: the folder, or the single file in it. */
  readonly path: string;
  readonly commit: string;
  /** Paths in the repository. */
  readonly files: readonly string[];
  /** Of all files. */
  readonly bytes: number;
  /** Of which downloaded this time. */
  readonly downloaded: number;
}

const MIB = 2 ** 20;

/** @throws KronaError REPO_INVALID, HUB_*, MODEL_PICKLE, MODEL_INDEX_INVALID, DISK_FULL, FILE_UNWRITABLE */
export async function pullModel(
  options: PullOptions,
  settings: HubSettings,
  { onProgress, onFile, signal, patienceMs }: PullHooks = {},
): Promise<PullResult> {
  const { repo, revision, to } = options;
  if (!/^\w[\w.-]*\/\w[\w.-]*$/.test(repo))
    throw new KronaError(
      'REPO_INVALID',
      `A repository is owner/name, as in stabilityai/stable-diffusion-xl-base-1.0; you gave “${repo}”.`,
    );
  const client = new HubClient(settings, signal);
  const snapshot = await client.snapshot(repo, revision);
  const files =
    options.file === undefined
      ? await chooseFolderFiles(snapshot, options, (file) => readText(client, snapshot, file))
      : chooseSingleFile(snapshot, options.file);

  // A single file goes to the top of the folder, wherever it was in the repository.
  const pathOf = ({ path }: HubFile): string => join(to, options.file === undefined ? path : basename(path));
  await checkSpace(repo, files, to, pathOf);
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  const progress = new PullProgress(bytes, onProgress);
  for (const file of files) {
    const hooks = {
      onBytes: progress.of(file),
      ...(signal ? { signal } : {}),
      ...(patienceMs === undefined ? {} : { patienceMs }),
    };
    const remote = {
      ...file,
      origin: 'HUB',
      bytes: (start: number) => client.bytes(snapshot, file, start),
    } as const;
    const came = await downloadTo(remote, pathOf(file), hooks);
    if (came > 0) onFile?.();
    progress.ended(file, came);
  }
  const path = options.file === undefined ? to : join(to, basename(options.file));
  const paths = files.map((file) => file.path);
  return { path, commit: snapshot.commit, files: paths, bytes, downloaded: progress.downloaded };
}

/** Bytes that stay free for photos, pictures and the database. */
const STAYS_FREE = 2 ** 30;

/** @throws KronaError DISK_FULL before anything is downloaded that has no room */
async function checkSpace(
  repo: string,
  files: readonly HubFile[],
  to: string,
  pathOf: (file: HubFile) => string,
): Promise<void> {
  await makeFolder(to);
  let missing = 0;
  for (const file of files) missing += file.size - (await bytesHere(file, pathOf(file)));
  const { bavail, bsize } = await statfs(to);
  const free = bavail * bsize;
  if (missing === 0 || missing + STAYS_FREE <= free) return;
  throw new KronaError(
    'DISK_FULL',
    `${repo} needs ${byteSize(missing)} more on the disk, and ${byteSize(STAYS_FREE)} stay free for everything else; ` +
      `${byteSize(free)} are free. Make room, then ask again.`,
  );
}

/** @throws KronaError FILE_TOO_LARGE, HUB_* */
async function readText(client: HubClient, snapshot: HubSnapshot, file: HubFile): Promise<string> {
  if (file.size > VOCABULARY_BYTES) throw tooLarge(file.path, file.size, VOCABULARY_BYTES);
  const pieces: Uint8Array[] = [];
  let came = 0;
  for await (const piece of client.bytes(snapshot, file, 0)) {
    came += piece.length;
    pieces.push(piece);
    if (came >= file.size) break;
  }
  return Buffer.concat(pieces).toString('utf8');
}

/** Progress over all files, whose time left counts only what the connection brought. */
class PullProgress {
  readonly #bytes: number;
  readonly #report: PullHooks['onProgress'];
  readonly #began = performance.now();
  /** Bytes of the files that are complete. */
  #before = 0;
  #downloaded = 0;

  constructor(bytes: number, report: PullHooks['onProgress']) {
    this.#bytes = bytes;
    this.#report = report;
  }

  get downloaded(): number {
    return this.#downloaded;
  }

  /** Returns a function to call with the number of bytes that the file has. */
  of(file: HubFile): (have: number) => void {
    // From an earlier run, or present from the start: not a measure of the connection.
    let found: number | null = null;
    return (have) => {
      found ??= have;
      const came = this.#downloaded + have - found;
      const done = this.#before + have;
      const perByte = (performance.now() - this.#began) / 1000 / came;
      this.#report?.({
        phase: `downloading ${file.path}, MiB`,
        step: Math.floor(done / MIB),
        steps: Math.ceil(this.#bytes / MIB),
        secondsLeft: came > MIB ? perByte * (this.#bytes - done) : null,
      });
    };
  }

  ended(file: HubFile, downloaded: number): void {
    this.#before += file.size;
    this.#downloaded += downloaded;
  }
}
