/**
 * @file Trains a byte-level byte-pair vocabulary in the format of CLIP's tokenizer and writes the two tokenizer folders
 * of a diffusers model. Encoding uses the reader of model folders.
 *
 * Format: the tokenizer of https://github.com/openai/CLIP; byte-pair merges: Sennrich et al. 2016, arXiv:1508.07909.
 */
import { at } from '../../core/at.ts';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KronaError } from '../../core/errors.ts';
import { captionWords, plural } from './captions.ts';
import type { PretrainData } from './concepts.ts';

export interface Vocabulary {
  /** Token → id: 256 bytes, the same 256 with the end-of-word mark, merges, and the two special tokens last. */
  readonly vocab: Readonly<Record<string, number>>;
  /** Pairs "left right", the most frequent first. */
  readonly merges: readonly string[];
}

const endOfWord = '</w>';
const startOfText = '<|startoftext|>';
const endOfText = '<|endoftext|>';
/** Every byte, every byte with the end-of-word mark, and the two special tokens. */
export const SMALLEST_VOCABULARY = 2 * 256 + 2;

/**
 * Merges the most frequent pair of neighbours repeatedly; ties go to the pair first in code point order, so that the
 * result depends on the counts only.
 *
 * @param counts how often each text occurs; texts are lower-cased and split into words as CLIP does.
 * @param size entries of the vocabulary, 514 or more; the result has fewer when nothing is left to merge
 * @throws KronaError PRETRAIN_CONFIG for a size below 514
 */
export function trainVocabulary(counts: ReadonlyMap<string, number>, size: number): Vocabulary {
  if (!Number.isInteger(size) || size < SMALLEST_VOCABULARY) {
    throw new KronaError(
      'PRETRAIN_CONFIG',
      `A vocabulary needs at least ${SMALLEST_VOCABULARY} entries; you gave ${size}.`,
    );
  }
  const words = [...countWords(counts)].map(([word, count]) => ({ parts: splitBytes(word), count }));
  const tokens = [...byteSymbols.values()];
  tokens.push(...tokens.map((symbol) => symbol + endOfWord));
  const known = new Set(tokens);
  const merges: string[] = [];

  while (tokens.length < size - 2) {
    const best = mostFrequentPair(words);
    if (best === undefined) break;
    merges.push(best);
    const [left = '', right = ''] = best.split(' ');
    // Different merges can spell the same token; it keeps its one id.
    if (!known.has(left + right)) tokens.push(left + right);
    known.add(left + right);
    for (const word of words) word.parts = mergePair(word.parts, left, right);
  }
  tokens.push(startOfText, endOfText);
  return { vocab: Object.fromEntries(tokens.map((token, id) => [token, id])), merges };
}

function mostFrequentPair(words: readonly { parts: string[]; count: number }[]): string | undefined {
  const pairs = new Map<string, number>();
  for (const { parts, count } of words) {
    for (let index = 1; index < parts.length; index++) {
      const pair = `${at(parts, index - 1)} ${at(parts, index)}`;
      pairs.set(pair, (pairs.get(pair) ?? 0) + count);
    }
  }
  let [best, most] = ['', 0];
  for (const [pair, count] of pairs) {
    if (count > most || (count === most && pair < best)) [best, most] = [pair, count];
  }
  return most > 0 ? best : undefined;
}

function mergePair(parts: string[], left: string, right: string): string[] {
  if (!parts.includes(left) || !parts.includes(right)) return parts;
  const merged: string[] = [];
  for (let index = 0; index < parts.length; index++) {
    if (parts[index] === left && parts[index + 1] === right) {
      merged.push(left + right);
      index++;
    } else {
      merged.push(at(parts, index));
    }
  }
  return merged;
}

/** Splits a text into words as CLIP does. */
const wordPattern = /'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+/gu;

function countWords(texts: ReadonlyMap<string, number>): Map<string, number> {
  const words = new Map<string, number>();
  for (const [text, count] of texts) {
    for (const [word] of text.normalize('NFC').toLowerCase().matchAll(wordPattern)) {
      words.set(word, (words.get(word) ?? 0) + count);
    }
  }
  return words;
}

function splitBytes(word: string): string[] {
  const parts = Array.from(new TextEncoder().encode(word), (byte) => byteSymbols.get(byte)!);
  parts[parts.length - 1] += endOfWord;
  return parts;
}

/** A visible character for every byte: itself if it has one, else from 256 upwards. In CLIP's order. */
const byteSymbols: ReadonlyMap<number, string> = (() => {
  const range = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, index) => from + index);
  const visible = [...range(0x21, 0x7e), ...range(0xa1, 0xac), ...range(0xae, 0xff)];
  const hidden = range(0, 255).filter((byte) => !visible.includes(byte));
  return new Map([
    ...visible.map((byte) => [byte, String.fromCodePoint(byte)] as const),
    ...hidden.map((byte, index) => [byte, String.fromCodePoint(256 + index)] as const),
  ]);
})();

/**
 * The vocabulary for a model: every word of the captions is one token, then as many words as fit from all emoji names
 * and tags and from members' usual words. Other words split into pieces.
 */
export async function trainModelVocabulary(data: PretrainData): Promise<Vocabulary> {
  const counts = new Map<string, number>();
  const add = (text: string, count: number) => counts.set(text, (counts.get(text) ?? 0) + count);
  for (const words of [...captionWords, ',']) add(words, 10_000);
  for (const { word, media = [] } of data.styles) for (const words of [word, ...media]) add(words, 10_000);
  for (const { name } of data.backgrounds) add(name, 10_000);
  for (const concept of data.concepts) {
    for (const word of [concept.word, ...(concept.also ?? [])]) add(word, 10_000);
    if (!concept.noArticle) add(plural(concept.word), 100);
  }
  for (const word of memberWords.split(' ')) add(word, 100);
  for (const line of (await readFile(emojiWords, 'utf8')).trim().split('\n')) {
    const [, label = '', tags = ''] = line.split('\t');
    add(label, 20);
    add(tags, 1);
  }
  return trainVocabulary(counts, data.tokenizer.vocabularySize);
}

/** Names and tags of the 1,103 emoji that a later model can be trained on; from emojibase-data (MIT). */
const emojiWords = new URL('./data/emoji-words.tsv', import.meta.url);

const memberWords =
  'next above below under over beside with without small tiny little big large huge top bottom left right ' +
  'center middle corner row two three four facing photo picture image drawing sticker icon logo my our me you ' +
  'it is at by for from as like very simple detailed flat 3d shiny dark light bright pale colorful rainbow gold ' +
  'golden silver bronze white black gray grey red orange yellow lime green teal cyan turquoise blue navy purple ' +
  'violet pink magenta brown beige tan happy sad angry crying laughing smiling sleeping dancing running jumping ' +
  'flying riding sitting standing holding eating drinking wearing playing cooking reading swimming surfing ' +
  'hat cap glasses scarf shirt suit cape mask party birthday christmas halloween easter winter summer night day ' +
  'space beach forest city mountain snow rain sunshine water sky cute cool funny scary evil old young new baby ' +
  'king queen prince knight pirate wizard superhero zombie man woman boy girl person people face head hand eyes ' +
  "s t re ve m ll d don't it's ? ! . - : ( ) \"";

/**
 * Writes `tokenizer/` and `tokenizer_2/` of a model folder: the same vocabulary, padded with the end-of-text token in
 * the first and with "!" (id 0) in the second, as SDXL's two tokenizers are.
 *
 * @param maxLength tokens of a prompt, including both end tokens; longer prompts are cut
 */
export async function writeTokenizers(
  folder: string,
  vocabulary: Vocabulary,
  maxLength: number,
): Promise<void> {
  for (const [name, padding] of [
    ['tokenizer', endOfText],
    ['tokenizer_2', '!'],
  ] as const) {
    const special = (content: string) => ({
      content,
      lstrip: false,
      normalized: true,
      rstrip: false,
      single_word: false,
    });
    const tokens = {
      bos_token: special(startOfText),
      eos_token: special(endOfText),
      pad_token: padding,
      unk_token: special(endOfText),
    };
    const config = {
      add_prefix_space: false,
      ...tokens,
      clean_up_tokenization_spaces: true,
      do_lower_case: true,
      errors: 'replace',
      model_max_length: maxLength,
      tokenizer_class: 'CLIPTokenizer',
    };
    const path = join(folder, name);
    await mkdir(path, { recursive: true });
    await writeFile(join(path, 'vocab.json'), JSON.stringify(vocabulary.vocab));
    await writeFile(join(path, 'merges.txt'), `#version: 0.2\n${vocabulary.merges.join('\n')}\n`);
    await writeFile(join(path, 'special_tokens_map.json'), `${JSON.stringify(tokens, null, 2)}\n`);
    await writeFile(join(path, 'tokenizer_config.json'), `${JSON.stringify(config, null, 2)}\n`);
  }
}
