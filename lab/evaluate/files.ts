/**
 * @file Files of an evaluation, each written atomically, so that a stopped evaluation resumes from the files it finds.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { KronaError } from '../../core/errors.ts';
import { writeWhole } from '../../core/files.ts';
import { claimFolder as claim } from '../pretrain/claim-folder.ts';
import { fromBytes, toBytes } from '../../core/pictures/rgb-bytes.ts';

/** null if the file is missing. */
export async function readJson<T>(path: string): Promise<T | null> {
  const text = await readFile(path, 'utf8').catch(() => null);
  return text === null ? null : (JSON.parse(text) as T);
}

export const writeJson = (path: string, value: unknown): Promise<void> =>
  writeWhole(path, `${JSON.stringify(value, null, 1)}\n`);

/**
 * Records in a folder which inputs its results belong to, or checks that they match.
 *
 * @param option that names the folder, for the error
 * @throws KronaError EVALUATION_MISMATCH
 */
export const claimFolder = (path: string, facts: object, option = '--out'): Promise<void> =>
  claim(
    path,
    facts,
    (differences) =>
      new KronaError(
        'EVALUATION_MISMATCH',
        `The folder has results of something else (${differences.join('; ')}); choose another ${option}.`,
      ),
  );

/** SHA-256 of files, the first 16 digits; '' for a missing one. */
export async function fileHashes(paths: Readonly<Record<string, string>>): Promise<Record<string, string>> {
  const hashes = Object.entries(paths).map(async ([name, path]) => {
    const bytes = await readFile(path).catch(() => null);
    return [
      name,
      bytes === null ? '' : createHash('sha256').update(bytes).digest('hex').slice(0, 16),
    ] as const;
  });
  return Object.fromEntries(await Promise.all(hashes));
}

/** Pictures [3, size, size] in [-1, 1] side by side in one PNG. */
export async function writeStrip(
  path: string,
  pictures: readonly Float32Array[],
  size: number,
): Promise<void> {
  const raw = { width: size, height: size, channels: 3 as const };
  const width = size * pictures.length;
  const strip = sharp({ create: { width, height: size, channels: 3, background: '#ffffff' } }).composite(
    pictures.map((picture, index) => ({
      input: Buffer.from(toBytes(picture).buffer),
      raw,
      left: index * size,
      top: 0,
    })),
  );
  await writeWhole(path, await strip.png().toBuffer());
}

/** The pictures of a strip; null if the file is missing. */
export async function readStrip(path: string): Promise<Float32Array[] | null> {
  const file = await readFile(path).catch(() => null);
  if (file === null) return null;
  const { data, info } = await sharp(file).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const size = info.height;
  return Array.from({ length: info.width / size }, (_, index) => {
    const bytes = new Uint8Array(3 * size * size);
    for (let row = 0; row < size; row++) {
      const from = (row * info.width + index * size) * 3;
      bytes.set(data.subarray(from, from + 3 * size), row * size * 3);
    }
    return fromBytes(bytes);
  });
}
