/** @file Finds a single file's tokenizer: such a file contains none, and no package provides CLIP's vocabulary. */
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { readEnvironment } from '../../../core/environment.ts';

const isTokenizer = async (folder: string): Promise<boolean> => {
  const files = await readdir(folder).catch((): string[] => []);
  return files.includes('tokenizer.json') || (files.includes('vocab.json') && files.includes('merges.txt'));
};

/**
 * The first folder with a tokenizer: KRONA_TOKENIZER or its `tokenizer/`, so that any SD or SDXL folder serves;
 * `tokenizer/` beside the file; the file's own folder. One serves all text encoders, which differ only in padding. If
 * there is none: `tokenizer/` beside the file.
 *
 * @param path of the single file
 */
export async function tokenizerFolder(path: string): Promise<string> {
  const beside = dirname(path);
  const given = readEnvironment().KRONA_TOKENIZER;
  const places = [...(given ? [given, join(given, 'tokenizer')] : []), join(beside, 'tokenizer'), beside];
  for (const folder of places) if (await isTokenizer(folder)) return folder;
  return join(beside, 'tokenizer');
}

export const TOKENIZER_ADVICE =
  "A single file holds no tokenizer: put CLIP's vocab.json and merges.txt (or tokenizer.json) into a folder tokenizer/ " +
  'beside it, or name a folder that has them in KRONA_TOKENIZER. Every SD and SDXL folder of the hub has them in its ' +
  'tokenizer/ (`krona model pull REPO --only tokenizer`).';
