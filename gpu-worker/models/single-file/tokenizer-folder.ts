/** @file Finds a single file's tokenizer, as such a file contains none. */
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { readEnvironment } from '../../../core/environment.ts';
import { clipTokenizer } from '../../../core/package.ts';

const isTokenizer = async (folder: string): Promise<boolean> => {
  const files = await readdir(folder).catch((): string[] => []);
  return files.includes('tokenizer.json') || (files.includes('vocab.json') && files.includes('merges.txt'));
};

/**
 * The first folder with a tokenizer: KRONA_TOKENIZER or its `tokenizer/`, so that any SD or SDXL folder serves;
 * `tokenizer/` beside the file; the file's own folder; the one with CLIP's own vocabulary that comes with Krona. One serves all
 * text encoders, which differ only in padding.
 *
 * @param path of the single file
 */
export async function tokenizerFolder(path: string): Promise<string> {
  const beside = dirname(path);
  const given = readEnvironment().KRONA_TOKENIZER;
  const places = [...(given ? [given, join(given, 'tokenizer')] : []), join(beside, 'tokenizer'), beside];
  for (const folder of places) if (await isTokenizer(folder)) return folder;
  return clipTokenizer;
}
