/**
 * @file Opens what holds onnxruntime's CUDA provider: a NuGet package, a wheel of onnxruntime-gpu, or a folder in which
 * such a wheel is installed.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import AdmZip from 'adm-zip';
import { KronaError } from '../../core/errors.ts';
import { PROVIDER, PROVIDER_FILES } from '../../gpu-worker/graph/cuda-libraries.ts';

export interface ProviderPackage {
  /** Of onnxruntime, e.g. 1.30.0. */
  readonly version: string;
  /** One of PROVIDER_FILES. @throws KronaError CUDA_PACKAGE_INVALID */
  read(name: string): Promise<Buffer>;
}

/** @throws KronaError CUDA_PACKAGE_INVALID, FILE_NOT_FOUND */
export async function openProviderPackage(path: string): Promise<ProviderPackage> {
  const found = await stat(path).catch(() => null);
  if (found === null)
    throw new KronaError(
      'FILE_NOT_FOUND',
      `${basename(path)} does not exist. Give \`--from\` a file or folder.`,
    );
  return found.isDirectory() ? openFolder(path) : openArchive(path);
}

/** site-packages, or the folder in it that holds the libraries. */
async function openFolder(path: string): Promise<ProviderPackage> {
  for (const site of [path, dirname(dirname(path)), dirname(path)]) {
    const folder = join(site, 'onnxruntime/capi');
    const [info] = (await readdir(site).catch(() => [])).flatMap(
      (name) => /^onnxruntime_gpu-(.+)\.dist-info$/.exec(name)?.[1] ?? [],
    );
    if (info === undefined || !(await stat(join(folder, PROVIDER)).catch(() => null))) continue;
    return { version: info, read: (name) => readFile(join(folder, name)) };
  }
  throw invalid(path, 'has no onnxruntime-gpu installed');
}

function openArchive(path: string): ProviderPackage {
  let zip: AdmZip;
  try {
    zip = new AdmZip(path);
  } catch (cause) {
    throw invalid(path, 'is no zip archive, or is damaged', cause);
  }
  const entries = zip.getEntries();
  const versions = entries.flatMap(({ entryName }) => versionOf(entryName, zip) ?? []);
  const [version] = versions;
  const files = new Map(
    PROVIDER_FILES.map((name) => [name as string, entries.find((entry) => entry.name === name)]),
  );
  if (version === undefined || ![...files.values()].every((file) => file !== undefined))
    throw invalid(path, 'does not hold the CUDA provider for Linux');
  return {
    version,
    read: async (name) => {
      try {
        const bytes = files.get(name)?.getData();
        if (bytes) return bytes;
      } catch (cause) {
        throw invalid(path, 'is damaged', cause);
      }
      throw invalid(path, `lacks ${name}`);
    },
  };
}

/** A wheel says its version in the name of a folder, a NuGet package in its description. */
function versionOf(entryName: string, zip: AdmZip): string | null {
  const [, wheel] = /^onnxruntime_gpu-([^/]+)\.dist-info\/METADATA$/.exec(entryName) ?? [];
  if (wheel !== undefined) return wheel;
  if (!/^Microsoft\.ML\.OnnxRuntime\.Gpu\.Linux\.nuspec$/i.test(entryName)) return null;
  return /<version>([^<]+)<\/version>/.exec(zip.readAsText(entryName))?.[1] ?? null;
}

const invalid = (path: string, what: string, cause?: unknown): KronaError =>
  new KronaError(
    'CUDA_PACKAGE_INVALID',
    `${basename(path)} ${what}. Expected the NuGet package Microsoft.ML.OnnxRuntime.Gpu.Linux, a wheel of onnxruntime-gpu, or the folder where one is installed.`,
    { cause },
  );
