/**
 * @file CLIP's tokenizer from a model folder's files: vocab.json + merges.txt as on the hub, or tokenizer.json as
 * transformers 5 writes it, or CLIP's own vocabulary; with added tokens (`add_tokens`, textual inversion). Byte-pair encoding of lower-cased words.
 * A text of any length becomes chunks of one length, as in AUTOMATIC1111's web UI and ComfyUI.
 * No clean-up of broken encodings or HTML entities (ftfy), as transformers 5 has none.
 */
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import * as tokenizers from '@huggingface/tokenizers';
import { KronaError } from '../../core/errors.ts';
import type { WeightedSpan } from '../../core/prompts/weights.ts';
import { CLIP_MERGES, clipVocabulary } from './clip-vocabulary.ts';
import { isJsonObject } from '../../core/json-object.ts';
import { isInteger, quoted } from './config-fields.ts';
import { readJson } from './model-files.ts';
import { readSmallFile, VOCABULARY_BYTES } from './small-file.ts';
import { clipOnly, SPACES, SPLIT_WORDS, vocabularyIds } from './tokenizer-json.ts';

/** The used part of the package: its type files import each other in a way that NodeNext doesn't resolve. */
const { Tokenizer } = tokenizers as unknown as {
  Tokenizer: new (definition: object, config: object) => Tokenizer;
};
interface Tokenizer {
  token_to_id(token: string): number | undefined;
  encode(text: string, options: { add_special_tokens: boolean }): { ids: number[] };
}

const START = '<|startoftext|>';
const END = '<|endoftext|>';
/** CLIP's number of positions; the default for files without a sensible model_max_length. */
const CLIP_LENGTH = 77;

/** Location of a tokenizer's files. */
export interface TokenizerFiles {
  /** e.g. `model/tokenizer` */
  readonly folder: string;
  /** The padding token, if the folder serves several tokenizers that differ only in it; by default from the folder. */
  readonly pad?: string;
}

/** A text as its tokenizer splits it. */
export interface TokenChunks {
  /** Tokens of the text, without start, end and padding. */
  readonly tokens: number;
  /** Each of the tokenizer's length. */
  readonly chunks: readonly [Int32Array, ...Int32Array[]];
  /** The weight of each token of each chunk; null: all 1. */
  readonly weights: readonly Float32Array[] | null;
}

export interface ClipTokenizer {
  /** Ids of every chunk, start and end token included: 77 in all known models of others. */
  readonly length: number;
  /** The largest id that any token has. */
  readonly largestId: number;
  /**
   * The first chunk: start token, the text's tokens, end token, padding.
   *
   * @example tokenizer.encode('a photo of a cat') // Int32Array(77) [49406, 320, 1125, 539, 320, 2368, 49407, …]
   */
  encode(text: string): Int32Array;
  /**
   * All chunks, at least one: each holds up to `length` − 2 of the text's tokens between a start and an end token. Parts with
   * weights of their own are split into tokens one by one, as in AUTOMATIC1111's web UI and ComfyUI.
   */
  chunks(text: string | readonly WeightedSpan[]): TokenChunks;
}

/**
 * @param source a folder, e.g. `model/tokenizer`
 * @throws KronaError MODEL_FILE_MISSING, MODEL_CONFIG_INVALID, MODEL_TOKENIZER_UNSUPPORTED, FILE_TOO_LARGE
 */
export async function loadTokenizer(source: string | TokenizerFiles): Promise<ClipTokenizer> {
  const { folder, pad: ownPad }: TokenizerFiles = typeof source === 'string' ? { folder: source } : source;
  const where = basename(folder);
  const files = await readdir(folder).catch((): string[] => []);
  const optional = (file: string) =>
    files.includes(file) ? readJson(folder, file, VOCABULARY_BYTES) : Promise.resolve({});
  const config: JsonObject = {
    ...(await optional('special_tokens_map.json')),
    ...(await optional('tokenizer_config.json')),
    ...(ownPad === undefined ? {} : { pad_token: ownPad }),
  };
  let definition: JsonObject;
  if (files.includes('tokenizer.json'))
    definition = withSpecial(clipOnly(where, await optional('tokenizer.json')), ownPad);
  else if (files.includes('vocab.json') && files.includes('merges.txt'))
    definition = await fromVocabulary(folder, config, await optional('added_tokens.json'));
  else if (files.includes(CLIP_MERGES)) definition = await fromClip(folder, config);
  else
    throw new KronaError(
      'MODEL_FILE_MISSING',
      `${where}/ has neither tokenizer.json nor vocab.json and merges.txt. Is the download complete?`,
    );
  return clipTokenizer(where, config, definition);
}

type JsonObject = Readonly<Record<string, unknown>>;

/** The definition of a folder with vocab.json and merges.txt. */
async function fromVocabulary(
  folder: string,
  config: JsonObject,
  byContent: JsonObject,
): Promise<JsonObject> {
  const where = basename(folder);
  const special = specialTokens(config);
  const added = addedTokens(where, config, byContent).filter(({ content }) => !special.has(content));
  const merges = (await readSmallFile(join(folder, 'merges.txt'), VOCABULARY_BYTES)) ?? '';
  const vocabulary = await readJson(folder, 'vocab.json', VOCABULARY_BYTES);
  return clipDefinition(where, vocabulary, merges, special, added);
}

async function fromClip(folder: string, config: JsonObject): Promise<JsonObject> {
  const { vocabulary, merges } = await clipVocabulary(folder);
  return clipDefinition(basename(folder), vocabulary, merges, specialTokens(config), []);
}

/** Entries of a vocabulary, and of its merges: CLIP has 49,408 and 48,894. */
const MOST_ENTRIES = 1 << 18;

/** @throws KronaError MODEL_CONFIG_INVALID */
function clipTokenizer(where: string, config: JsonObject, definition: JsonObject): ClipTokenizer {
  const { vocab, merges } = objectOf(definition['model']);
  const most = Math.max(Object.keys(objectOf(vocab)).length, Array.isArray(merges) ? merges.length : 0);
  if (most > MOST_ENTRIES)
    throw invalid(where, `has ${most} tokens or merges; at most ${MOST_ENTRIES} are read`);
  let tokenizer: Tokenizer;
  try {
    tokenizer = new Tokenizer(definition, {});
  } catch (error) {
    throw new KronaError('MODEL_CONFIG_INVALID', `${where}/tokenizer.json holds no tokenizer.`, {
      cause: error,
    });
  }
  const id = (token: string): number => {
    const found = tokenizer.token_to_id(token);
    if (found === undefined) throw invalid(where, `has no token ${token}`);
    return found;
  };
  const [start, end, pad] = [id(START), id(END), id(specialToken(config, 'pad_token')?.content ?? END)];
  const declared = config['model_max_length'];
  // A huge number stands for "no limit" in some files.
  const length = isInteger(declared, 3, 9999) ? declared : CLIP_LENGTH;
  const idsOf = (text: string): readonly number[] =>
    // JavaScript lower-cases a Σ at a word's end to ς; transformers looks at each character on its own.
    tokenizer.encode(text.replaceAll('Σ', 'σ'), { add_special_tokens: false }).ids;
  const chunk = (ids: readonly number[], from: number): Int32Array => {
    const padded = new Int32Array(length).fill(pad);
    padded.set([start, ...ids.slice(from, from + length - 2), end]);
    return padded;
  };
  return {
    length,
    largestId: [start, end, pad, ...definedIds(definition)].reduce((most, id) => Math.max(most, id)),
    encode: (text) => chunk(idsOf(text), 0),
    chunks(text) {
      const spans = typeof text === 'string' ? [{ text, weight: 1 }] : text;
      const split = spans.map((span) => ({ ids: idsOf(span.text), weight: span.weight }));
      const ids = split.flatMap((span) => span.ids);
      const weights = split.flatMap((span) => Array<number>(span.ids.length).fill(span.weight));
      const further = Math.max(0, Math.ceil(ids.length / (length - 2)) - 1);
      const weighted = (from: number): Float32Array => {
        const chunk = new Float32Array(length).fill(1);
        chunk.set(weights.slice(from, from + length - 2), 1);
        return chunk;
      };
      return {
        weights: weights.every((weight) => weight === 1)
          ? null
          : Array.from({ length: further + 1 }, (_, n) => weighted(n * (length - 2))),
        tokens: ids.length,
        chunks: [
          chunk(ids, 0),
          ...Array.from({ length: further }, (_, n) => chunk(ids, (n + 1) * (length - 2))),
        ],
      };
    },
  };
}

/** Checks that a text encoder can read all that its tokenizer writes. @throws KronaError MODEL_TOKENIZER_MISMATCH */
export function checkVocabulary(
  { largestId, length }: ClipTokenizer,
  encoder: {
    readonly name: string;
    readonly config: { readonly vocab_size: number; readonly max_position_embeddings: number };
  },
): void {
  const { max_position_embeddings: positions } = encoder.config;
  if (length > positions)
    throw new KronaError(
      'MODEL_TOKENIZER_MISMATCH',
      `The tokenizer writes ${length} tokens at once, but ${encoder.name} reads ${positions}. ` +
        'Set "model_max_length" in tokenizer_config.json to that.',
    );
  if (largestId >= encoder.config.vocab_size)
    throw new KronaError(
      'MODEL_TOKENIZER_MISMATCH',
      `The tokenizer numbers tokens up to ${largestId}, but ${encoder.name} knows ${encoder.config.vocab_size}; ` +
        'use the tokenizer that the model was made with.',
    );
}

/** A tokenizer.json with the tokenizer that transformers builds from vocab.json and merges.txt (CLIPTokenizer). */
function clipDefinition(
  where: string,
  vocabulary: JsonObject,
  mergesText: string,
  specials: ReadonlyMap<string, boolean>,
  added: readonly AddedToken[],
): JsonObject {
  const merges = mergesText.split(/\r?\n/).filter((line) => line !== '' && !line.startsWith('#version'));
  const wrong = merges.find((line) => line.split(' ').length !== 2);
  if (wrong !== undefined)
    throw invalid(where, `has the line ${quoted(wrong)} in merges.txt, which is no pair`);
  const known = [...specials].map(([content, normalized]): AddedToken => {
    const id = vocabulary[content];
    if (!isId(id)) throw invalid(where, `has no token ${content} in vocab.json`);
    return { id, content, lstrip: false, rstrip: false, normalized, special: true };
  });
  return {
    added_tokens: [...known, ...added],
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'NFC' },
        { type: 'Replace', pattern: { Regex: SPACES }, content: ' ' },
        { type: 'Lowercase' },
      ],
    },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        {
          type: 'Split',
          pattern: { Regex: SPLIT_WORDS },
          behavior: 'Removed',
          invert: true,
        },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
      ],
    },
    model: {
      type: 'BPE',
      unk_token: END,
      continuing_subword_prefix: '',
      end_of_word_suffix: '</w>',
      fuse_unk: false,
      vocab: vocabulary,
      merges,
    },
    post_processor: null,
    decoder: { type: 'ByteLevel' },
  };
}

/** A tokenizer.json in which `token` is special too: the vocabulary has it, but its folder pads with another token. */
function withSpecial(definition: JsonObject, token: string | undefined): JsonObject {
  const added = objectsOf(definition['added_tokens']);
  const vocabulary = objectOf(objectOf(definition['model'])['vocab']);
  const id = token === undefined ? undefined : vocabulary[token];
  if (id === undefined || added.some(({ content }) => content === token)) return definition;
  const flags = { lstrip: false, rstrip: false, normalized: false, special: true };
  return { ...definition, added_tokens: [...added, { id, content: token, ...flags }] };
}

/** A token outside the vocabulary, in tokenizer.json's format. */
interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Strips the blanks around it. */
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  /** Matched after lower-casing, in lower case. */
  readonly normalized: boolean;
  readonly special: boolean;
}

const isId = (value: unknown): value is number => isInteger(value);

const objectOf = (value: unknown): JsonObject => (isJsonObject(value) ? value : {});

const objectsOf = (value: unknown): readonly JsonObject[] =>
  Array.isArray(value) ? value.filter(isJsonObject) : [];

/**
 * Tokens that were added to CLIP's: `added_tokens_decoder` of tokenizer_config.json with their flags, else
 * added_tokens.json, token → id, as transformers 4 writes it for `add_tokens`; transformers asks in this order.
 *
 * @throws KronaError MODEL_CONFIG_INVALID
 */
function addedTokens(where: string, config: JsonObject, byContent: JsonObject): AddedToken[] {
  const decoder = config['added_tokens_decoder'];
  const listed = decoder
    ? Object.entries(objectOf(decoder)).map(([id, value]) => {
        const { content, special, ...flags } = objectOf(value);
        return { id: Number(id), content, special: special === true, ...flags };
      })
    : Object.entries(byContent).map(([content, id]) => ({ id, content, special: false }));
  return listed.map((token: JsonObject) => {
    const { id, content, special } = token;
    if (!isId(id) || typeof content !== 'string' || content === '')
      throw invalid(where, `numbers the added token ${quoted(content)} ${quoted(id)}`);
    const flag = (key: string, fallback: boolean) =>
      typeof token[key] === 'boolean' ? token[key] : fallback;
    return {
      id,
      content,
      lstrip: flag('lstrip', false),
      rstrip: flag('rstrip', false),
      normalized: flag('normalized', special !== true),
      special: special === true,
    };
  });
}

function definedIds({ added_tokens: added, model }: JsonObject): number[] {
  const ids = objectsOf(added).map(({ id }) => id);
  return [...vocabularyIds(objectOf(model)['vocab']), ...ids.filter(isId)];
}

/**
 * Tokens that are special anywhere in a text, each with whether it is matched before (false) or after (true)
 * lower-casing. The padding token is one of them: SDXL's second tokenizer reads "wow!" as "wow" and padding.
 */
function specialTokens(config: JsonObject): ReadonlyMap<string, boolean> {
  const found = new Map([START, END].map((content) => [content, false]));
  for (const key of ['bos_token', 'eos_token', 'unk_token', 'pad_token']) {
    const token = specialToken(config, key);
    if (token === undefined) continue;
    if (token.content.length > MOST_TOKEN)
      throw new KronaError(
        'MODEL_CONFIG_INVALID',
        `tokenizer_config.json: "${key}" has ${token.content.length} characters; at most ${MOST_TOKEN} are allowed.`,
      );
    found.set(token.content, token.normalized);
  }
  return found;
}

/** Characters of a special token: CLIP's have 15. */
const MOST_TOKEN = 100;

/** A special token of the config: its text, or an object with flags. */
function specialToken(config: JsonObject, key: string) {
  const value = config[key];
  if (typeof value === 'string') return { content: value, normalized: false };
  const { content, normalized } = objectOf(value);
  return typeof content === 'string' ? { content, normalized: normalized === true } : undefined;
}

function invalid(where: string, what: string): KronaError {
  return new KronaError('MODEL_CONFIG_INVALID', `The tokenizer in ${where}/ ${what}.`);
}
