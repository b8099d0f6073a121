/**
 * @file Reads the small files of models, adapters and photos' captions, which come from strangers: a regular file of a bounded size or
 * nothing, so that neither a pipe nor a file of gigabytes can hold a reader up.
 */
import { open } from 'node:fs/promises';
import { constants } from 'node:fs';
import { basename } from 'node:path';
import { KronaError } from '../../core/errors.ts';

/** Configs of known models have a few kB, PEFT's with every module spelled out some hundreds. */
const CONFIG_BYTES = 1 << 21;
/** CLIP's tokenizer.json has 2 MB; an index of shards a few hundred kB. */
export const VOCABULARY_BYTES = 1 << 23;

/**
 * Returns a file's text.
 *
 * @param most bytes; CONFIG_BYTES by default
 * @returns null where there is no readable file
 * @throws KronaError FILE_TOO_LARGE
 */
export async function readSmallFile(path: string, most = CONFIG_BYTES): Promise<string | null> {
  return (await readSmallBytes(path, most))?.toString('utf8') ?? null;
}

/** As `readSmallFile`, its bytes. @throws KronaError FILE_TOO_LARGE */
export async function readSmallBytes(path: string, most: number): Promise<Buffer | null> {
  // Without NONBLOCK opening a named pipe waits for its writer.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch(() => null);
  if (file === null) return null;
  try {
    const found = await file.stat();
    if (!found.isFile()) return null;
    if (found.size > most) throw tooLarge(basename(path), found.size, most);
    return await file.readFile();
  } finally {
    await file.close();
  }
}

export const tooLarge = (name: string, bytes: number, most: number): KronaError =>
  new KronaError(
    'FILE_TOO_LARGE',
    `${name} has ${bytes} bytes; such a file can have at most ${most}. Download it again from its author, or make it smaller.`,
  );
