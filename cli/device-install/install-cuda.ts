/** @file Puts onnxruntime's CUDA provider beside the runtime: both of its files, whole and of the runtime's version, or none. */
import { createHash, randomUUID } from 'node:crypto';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { downloadTo, type DownloadHooks, type RemoteFile } from '../../core/download.ts';
import { KronaError } from '../../core/errors.ts';
import { isFileError, readFileIfAny } from '../../core/files.ts';
import { PROVIDER_FILES } from '../../gpu-worker/graph/cuda-libraries.ts';
import { openProviderPackage } from './provider-package.ts';

/** Where a package can be had; the first that answers is used. */
export type Source = (signal?: AbortSignal) => Promise<RemoteFile>;

export interface InstallOptions {
  /** Of the runtime. */
  readonly version: string;
  /** Folder of the runtime's libraries. */
  readonly to: string;
  /** A package on this machine, or the sources to ask, in order. */
  readonly from: string | readonly Source[];
  /** For what has been downloaded in part; the file is deleted when it is installed. */
  readonly downloads: string;
}

export interface InstallHooks extends DownloadHooks {
  /** A line for the person who waits. */
  readonly onNotice?: (line: string) => void;
  readonly onDownload?: (file: RemoteFile) => void;
}

export interface Installed {
  readonly version: string;
  /** SHA-256 of each file. */
  readonly files: Readonly<Record<string, string>>;
  /** Nothing was to be done. */
  readonly already: boolean;
}

/** Says what lies beside the runtime, so that a second call has nothing to do. */
const RECORD = 'krona-cuda.json';

/**
 * @throws KronaError CUDA_PACKAGE_INVALID, CUDA_PACKAGE_VERSION, REGISTRY_*, FILE_NOT_FOUND, FILE_UNWRITABLE, DISK_FULL; the
 * signal's reason when it aborts
 */
export async function installCuda(options: InstallOptions, hooks: InstallHooks = {}): Promise<Installed> {
  const { version, to, from, downloads } = options;
  const present = await installed(to);
  if (typeof from !== 'string' && present?.version === version) return { ...present, already: true };
  if (typeof from === 'string') return unpack(from, version, to);
  const file = await firstOf(from, hooks);
  hooks.onDownload?.(file);
  const path = join(downloads, file.path);
  await downloadTo(file, path, hooks);
  const done = await unpack(path, version, to);
  await rm(path, { force: true });
  return done;
}

/** What the record says, if the files are as it says. */
async function installed(folder: string): Promise<Omit<Installed, 'already'> | null> {
  const text = await readFileIfAny(join(folder, RECORD));
  if (text === null) return null;
  try {
    const record = JSON.parse(text) as Omit<Installed, 'already'>;
    for (const name of PROVIDER_FILES)
      if (sha256(await readFile(join(folder, name))) !== record.files[name]) return null;
    return record;
  } catch {
    // Damaged, or without its files: install again.
    return null;
  }
}

/** @throws KronaError of the last source */
async function firstOf(sources: readonly Source[], { signal, onNotice }: InstallHooks): Promise<RemoteFile> {
  let problem: unknown;
  for (const source of sources) {
    try {
      return await source(signal);
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof KronaError)) throw error;
      if (problem === undefined) onNotice?.(`${error.message} Trying the next source.`);
      problem = error;
    }
  }
  throw problem;
}

/** Writes both files under other names first; the provider, without which the runtime asks for neither, comes last. */
async function unpack(path: string, version: string, to: string): Promise<Installed> {
  const found = await openProviderPackage(path);
  if (found.version !== version)
    throw new KronaError(
      'CUDA_PACKAGE_VERSION',
      `The package is of onnxruntime ${found.version}, and Krona's runtime is ${version}. Get the package of ${version}.`,
    );
  const mark = randomUUID();
  const draft = (name: string): string => join(to, `.${name}.${mark}`);
  const files: Record<string, string> = {};
  try {
    for (const name of PROVIDER_FILES) {
      const bytes = await found.read(name);
      files[name] = sha256(bytes);
      await writeFile(draft(name), bytes, { mode: 0o755 });
    }
    await writeFile(draft(RECORD), JSON.stringify({ version, files }));
    for (const name of [...PROVIDER_FILES, RECORD]) await rename(draft(name), join(to, name));
  } catch (error) {
    throw writeProblem(error);
  } finally {
    for (const name of [...PROVIDER_FILES, RECORD]) await rm(draft(name), { force: true });
  }
  return { version, files, already: false };
}

function writeProblem(cause: unknown): unknown {
  if (cause instanceof KronaError || !(cause instanceof Error && 'code' in cause)) return cause;
  const full = isFileError(cause, 'ENOSPC');
  return new KronaError(
    full ? 'DISK_FULL' : 'FILE_UNWRITABLE',
    full
      ? 'There is no space left on the disk for the CUDA provider (300 MB). Free some and run the same command again.'
      : "The folder of onnxruntime-node can't be written. Run this as the user who installed Krona.",
    { cause, retryable: full },
  );
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
