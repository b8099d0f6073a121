/**
 * @file The libraries behind CUDA: onnxruntime's provider, which `krona device install cuda` puts beside the runtime, and
 * NVIDIA's, which are opened from where they are. A library that is in the process already is found by its name, so
 * nobody has to set LD_LIBRARY_PATH before the start.
 */
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants, homedir } from 'node:os';
import { basename, delimiter, dirname, join } from 'node:path';
import { cudaPlaces } from '../../core/environment.ts';
import { messageOf } from './errors.ts';
import { neededLibraries } from './needed-libraries.ts';

/** Folder of onnxruntime-node's own libraries for this machine, where it looks for its providers. */
export const runtimeFolder: string = join(
  dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json')),
  `bin/napi-v6/${process.platform}/${process.arch}`,
);

/** The provider, and the library through which the runtime talks to it. */
export const PROVIDER = 'libonnxruntime_providers_cuda.so';
export const PROVIDER_FILES = ['libonnxruntime_providers_shared.so', PROVIDER] as const;

/** The provider opens it by itself, as late as at the first convolution. */
const CUDNN = 'libcudnn.so.9';

/** NVIDIA's names of a library, and of its package on PyPI for CUDA 13; those for CUDA 12 end in -cu12. */
const PRODUCTS: Readonly<Record<string, readonly [product: string, packageName: string]>> = {
  libcudart: ['the CUDA runtime', 'nvidia-cuda-runtime'],
  libcublas: ['cuBLAS', 'nvidia-cublas'],
  libcublasLt: ['cuBLAS', 'nvidia-cublas'],
  libcurand: ['cuRAND', 'nvidia-curand'],
  libcufft: ['cuFFT', 'nvidia-cufft'],
  libcudnn: ['cuDNN', 'nvidia-cudnn-cu13'],
};

/** glibc: the library stays, although Node closes it as none of its modules. */
const RTLD_NODELETE = 0x1000;

/** Opens all that CUDA needs into this process. @returns what is missing, in a line without paths; null: nothing */
export function openCudaLibraries(folder: string = runtimeFolder): string | null {
  const provider = join(folder, PROVIDER);
  if (!PROVIDER_FILES.every((name) => existsSync(join(folder, name))))
    return 'its provider is not installed: run `krona device install cuda`';
  const needed = [...neededLibraries(provider), CUDNN].filter(isNvidias);
  const places = libraryFolders();
  const missing = needed.filter((name) => !isOpen(name, places));
  if (missing.includes('libcuda.so.1'))
    return "libcuda.so.1 of NVIDIA's driver is missing: install the driver, or give the container the card";
  return missing.length === 0 ? null : describeMissing(missing, needed);
}

/** libcuda, libcudart, libcudnn, libcublas, libcublasLt, libcurand, libcufft; not libc or libstdc++. */
const isNvidias = (name: string): boolean => /^libcu(?!rl)/.test(name);

function describeMissing(missing: readonly string[], needed: readonly string[]): string {
  const version = /libcudart\.so\.(\d+)/.exec(needed.join(' '))?.[1] ?? '13';
  const packages = missing.flatMap((name) => {
    const [, pip] = PRODUCTS[name.replace(/\.so.*/, '')] ?? [];
    return pip === undefined ? [] : [version === '13' ? pip : `${pip.replace('-cu13', '')}-cu${version}`];
  });
  const products = missing.flatMap((name) => PRODUCTS[name.replace(/\.so.*/, '')]?.[0] ?? []);
  const verb = missing.length === 1 ? 'is' : 'are';
  return (
    `${missing.join(', ')} ${verb} missing: install ${[...new Set(products)].join(', ')} for CUDA ${version}, ` +
    `such as by pip install ${[...new Set(packages)].join(' ')}; KRONA_CUDA_PATH names other folders`
  );
}

/** Opens a library: from the folders that were named, from the system, or from where Python's packages put it. */
function isOpen(name: string, { named, usual }: LibraryFolders): boolean {
  const inFolders = (folders: readonly string[]): boolean =>
    folders.some((folder) => existsSync(join(folder, name)) && opens(join(folder, name)));
  return inFolders(named) || opens(name) || inFolders(usual);
}

function opens(path: string): boolean {
  const { RTLD_NOW, RTLD_GLOBAL } = constants.dlopen;
  try {
    process.dlopen({ exports: {} }, path, RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE);
  } catch (error) {
    // Open it is: Node complains that it is not one of its modules.
    return messageOf(error).includes('self-register');
  }
  return true;
}

interface LibraryFolders {
  /** By KRONA_CUDA_PATH. */
  readonly named: readonly string[];
  readonly usual: readonly string[];
}

function libraryFolders(): LibraryFolders {
  const { named, toolkits, pythons } = cudaPlaces();
  const system = ['/usr/local/cuda', ...inside('/usr/local', /^cuda-\d/).reverse()];
  const python = [...pythons, join(homedir(), '.local'), '/usr/local', '/usr'];
  return {
    named: (named?.split(delimiter) ?? []).flatMap(around),
    usual: [...toolkits, ...system, ...python].flatMap(around),
  };
}

/** A folder itself, its libraries, and NVIDIA's packages in it, whether it is a toolkit, an environment or site-packages. */
function around(folder: string): string[] {
  const pythons = inside(join(folder, 'lib'), /^python3/).flatMap((python) =>
    ['site-packages', 'dist-packages'].map((name) => join(python, name)),
  );
  const sites = [folder, ...pythons].map((site) => join(site, 'nvidia'));
  const packages = [...sites, ...(basename(folder) === 'nvidia' ? [folder] : [])].flatMap((site) =>
    inside(site, /./),
  );
  return [
    folder,
    ...['lib64', 'lib', 'targets/x86_64-linux/lib'].map((name) => join(folder, name)),
    ...packages.map((name) => join(name, 'lib')),
  ];
}

/** Paths of what a folder holds; none where it is missing. */
function inside(folder: string, name: RegExp): string[] {
  try {
    return readdirSync(folder)
      .filter((entry) => name.test(entry))
      .sort()
      .map((entry) => join(folder, entry));
  } catch {
    return [];
  }
}
