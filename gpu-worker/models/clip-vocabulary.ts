/**
 * @file CLIP's own vocabulary from the list of merges that comes with Krona (models/clip-tokenizer): the same tokens, ids and
 * merges as in the vocab.json and merges.txt of every SD and SDXL folder.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';

/** The file's name in OpenAI's and OpenCLIP's packages. */
export const CLIP_MERGES = 'bpe_simple_vocab_16e6.txt.gz';

/** Tokens in all: 256 bytes, the same at a word's end, the merges, start and end. */
const TOKENS = 49_408;
/** The file lists 262,144 merges after a line of its own; CLIP uses those that its vocabulary has room for. */
const MERGES = TOKENS - 2 * 256 - 2;

/** Ranges of bytes that stand for themselves in a token; a control or space has a character from 256 on in its place. */
const PRINTABLE = [
  [0x21, 0x7e],
  [0xa1, 0xac],
  [0xae, 0xff],
] as const;

/** A character for each byte, in the order of CLIP's ids (GPT-2's `bytes_to_unicode`). */
function byteCharacters(): string[] {
  const own = PRINTABLE.flatMap(([first, last]) =>
    Array.from({ length: last - first + 1 }, (_, n) => first + n),
  );
  return [...own, ...Array.from({ length: 256 - own.length }, (_, n) => 256 + n)].map((code) =>
    String.fromCodePoint(code),
  );
}

/**
 * Reads the vocabulary.
 *
 * @param folder that holds CLIP_MERGES
 * @returns ids by token, and the merges as lines of merges.txt
 */
export async function clipVocabulary(
  folder: string,
): Promise<{ readonly vocabulary: Readonly<Record<string, number>>; readonly merges: string }> {
  const text = (await promisify(gunzip)(await readFile(join(folder, CLIP_MERGES)))).toString('utf8');
  const lines = text.split('\n').slice(1, 1 + MERGES);
  const bytes = byteCharacters();
  const tokens = [
    ...bytes,
    ...bytes.map((byte) => `${byte}</w>`),
    ...lines.map((line) => line.replace(' ', '')),
    '<|startoftext|>',
    '<|endoftext|>',
  ];
  return {
    vocabulary: Object.fromEntries(tokens.map((token, id) => [token, id])),
    merges: lines.join('\n'),
  };
}
