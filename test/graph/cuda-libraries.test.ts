/** NVIDIA's libraries are found where they are, and a missing one is named with its package. */
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openCudaLibraries, PROVIDER_FILES, runtimeFolder } from '../../gpu-worker/graph/cuda-libraries.ts';
import { neededLibraries } from '../../gpu-worker/graph/needed-libraries.ts';

/** An ELF file that needs these libraries, and nothing else. */
function libraryNeeding(names: readonly string[]): Buffer {
  const texts = Buffer.from(`\0${names.join('\0')}\0`);
  const dynamic = Buffer.alloc(16 * (names.length + 1));
  names.forEach((name, i) => {
    dynamic.writeBigUInt64LE(1n, 16 * i);
    dynamic.writeBigUInt64LE(BigInt(texts.indexOf(`\0${name}\0`) + 1), 16 * i + 8);
  });
  const section = (type: number, offset: number, length: number, link: number): Buffer => {
    const bytes = Buffer.alloc(64);
    bytes.writeUInt32LE(type, 4);
    bytes.writeBigUInt64LE(BigInt(offset), 24);
    bytes.writeBigUInt64LE(BigInt(length), 32);
    bytes.writeUInt32LE(link, 40);
    return bytes;
  };
  const header = Buffer.alloc(64);
  header.write('\x7fELF\x02\x01', 'latin1');
  const [dynamicAt, textsAt] = [64, 64 + dynamic.length];
  header.writeBigUInt64LE(BigInt(textsAt + texts.length), 40);
  header.writeUInt16LE(2, 60);
  const sections = [section(6, dynamicAt, dynamic.length, 1), section(3, textsAt, texts.length, 0)];
  return Buffer.concat([header, dynamic, texts, ...sections]);
}

describe.runIf(process.platform === 'linux')('on Linux', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'krona-cuda-'));
    for (const name of ['CUDA_PATH', 'CUDA_HOME', 'CONDA_PREFIX', 'VIRTUAL_ENV']) vi.stubEnv(name, '');
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(folder, { recursive: true });
  });

  /** Names that no system has, so that the test is the same everywhere. */
  const needs = (...names: string[]): Promise<void[]> =>
    Promise.all(PROVIDER_FILES.map((name) => writeFile(join(folder, name), libraryNeeding(names))));

  /** A library that opens anywhere: one that this process has open already. */
  async function put(place: string, name: string): Promise<void> {
    const report = process.report.getReport() as unknown as { sharedObjects: string[] };
    const known = report.sharedObjects.find((path) => /libdl\.so|libpthread\.so/.test(path));
    await mkdir(join(folder, place), { recursive: true });
    await copyFile(known!, join(folder, place, name));
  }

  it('reads what a library needs', async () => {
    await needs('libcublas.so.13', 'libc.so.6');
    expect(neededLibraries(join(folder, PROVIDER_FILES[1]))).toEqual(['libcublas.so.13', 'libc.so.6']);
    expect(neededLibraries(join(runtimeFolder, 'libonnxruntime.so.1'))).toContain('libc.so.6');
  });

  it('says how to install the provider', () => {
    expect(openCudaLibraries(folder)).toMatch(/krona device install cuda/);
  });

  it('names each missing library with its package, for the version of CUDA that the provider needs', async () => {
    await needs('libcurand.so.99', 'libcudart.so.13');
    await put('cuda', 'libcudnn.so.9');
    await put('cuda', 'libcudart.so.13');
    vi.stubEnv('KRONA_CUDA_PATH', join(folder, 'cuda'));
    expect(openCudaLibraries(folder)).toMatch(
      /^libcurand\.so\.99 is missing: install cuRAND .*nvidia-curand;/,
    );
    await needs('libcurand.so.99', 'libcudart.so.12');
    expect(openCudaLibraries(folder)).toMatch(/libcudart\.so\.12 are missing: .*nvidia-curand-cu12/);
  });

  it("names NVIDIA's driver first", async () => {
    await needs('libcuda.so.1', 'libcurand.so.99');
    const missing = openCudaLibraries(folder);
    // A machine with a card has it.
    if (!missing?.includes('libcurand'))
      expect(missing).toMatch(/libcuda\.so\.1 of NVIDIA's driver is missing/);
  });

  it.each([
    ['a folder of KRONA_CUDA_PATH', 'KRONA_CUDA_PATH', ''],
    ['the toolkit', 'CUDA_HOME', 'lib64'],
    ['a conda environment', 'CONDA_PREFIX', 'lib'],
    [
      "PyPI's packages of a virtual environment",
      'VIRTUAL_ENV',
      'lib/python3.11/site-packages/nvidia/cu13/lib',
    ],
    ['site-packages', 'KRONA_CUDA_PATH', 'nvidia/cudnn/lib'],
  ])('finds libraries in %s', async (_, variable, place) => {
    await needs('libcurand.so.98');
    expect(openCudaLibraries(folder)).toMatch(/libcurand\.so\.98/);
    await put(place, 'libcurand.so.98');
    await put(place, 'libcudnn.so.9');
    vi.stubEnv(variable, folder);
    expect(openCudaLibraries(folder)).toBeNull();
  });
});
