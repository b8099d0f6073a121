/** @file Downloads a model from the hub: the files that it needs here, into one folder. */
import { basename, join } from 'node:path';
import { KronaError } from '../../../core/errors.ts';
import type { Progress } from '../../../core/records.ts';
import { tooLarge, VOCABULARY_BYTES } from '../small-file.ts';
import { chooseFolderFiles, chooseSingleFile, type Part } from './choose-files.ts';
import { downloadTo } from './download.ts';
import { HubClient, type HubFile, type HubSettings } from './hub-client.ts';

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
  { onProgress, signal, patienceMs }: PullHooks = {},
): Promise<PullResult> {
  const { repo, revision, to } = options;
  if (!/^[\w.-]+\/[\w.-]+$/.test(repo))
    throw new KronaError(
      'REPO_INVALID',
      `A repository is owner/name, as in stabilityai/stable-diffusion-xl-base-1.0; you gave “${repo}”.`,
    );
  const client = new HubClient(settings, signal);
  const snapshot = await client.snapshot(repo, revision);
  const readText = async (file: HubFile): Promise<string> => {
    if (file.size > VOCABULARY_BYTES) throw tooLarge(file.path, file.size, VOCABULARY_BYTES);
    const pieces: Uint8Array[] = [];
    let came = 0;
    for await (const piece of client.bytes(snapshot, file, 0)) {
      came += piece.length;
      pieces.push(piece);
      if (came >= file.size) break;
    }
    return Buffer.concat(pieces).toString('utf8');
  };
  const files =
    options.file === undefined
      ? await chooseFolderFiles(snapshot, options, readText)
      : chooseSingleFile(snapshot, options.file);

  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  const began = performance.now();
  let before = 0;
  let downloaded = 0;
  for (const file of files) {
    // From an earlier run, or present from the start: not a measure of the connection.
    let found: number | null = null;
    const onBytes = (have: number): void => {
      found ??= have;
      const came = downloaded + have - found;
      const done = before + have;
      const perByte = (performance.now() - began) / 1000 / came;
      onProgress?.({
        phase: `downloading ${file.path}, MiB`,
        step: Math.floor(done / MIB),
        steps: Math.ceil(bytes / MIB),
        secondsLeft: came > MIB ? perByte * (bytes - done) : null,
      });
    };
    const hooks = {
      onBytes,
      ...(signal ? { signal } : {}),
      ...(patienceMs === undefined ? {} : { patienceMs }),
    };
    // A single file goes to the top of the folder, wherever it was in the repository.
    const name = options.file === undefined ? file.path : basename(file.path);
    downloaded += await downloadTo(client, snapshot, file, join(to, name), hooks);
    before += file.size;
  }
  const path = options.file === undefined ? to : join(to, basename(options.file));
  return { path, commit: snapshot.commit, files: files.map((file) => file.path), bytes, downloaded };
}
