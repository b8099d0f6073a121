/**
 * @file Checks a tokenizer.json, which comes from strangers: its regular expressions run on every prompt, and one with
 * nested repetition takes exponential time. So CLIP's own steps are accepted and nothing else.
 */
import { KronaError } from '../../core/errors.ts';
import { isJsonObject } from '../../core/json-object.ts';
import { isInteger, quoted } from './config-fields.ts';

type JsonObject = Readonly<Record<string, unknown>>;

const WORDS = "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+";

/** How CLIPTokenizer of transformers 5 writes its steps; older ones leave the two tokens out. */
export const SPLIT_WORDS = `<\\|startoftext\\|>|<\\|endoftext\\|>|${WORDS}`;
export const SPACES = '\\s+';
const EXPRESSIONS: readonly unknown[] = [SPLIT_WORDS, WORDS, SPACES];

/** Steps of CLIP's tokenizers, in files of all versions. */
const STEPS: readonly unknown[] = ['Sequence', 'NFC', 'Replace', 'Lowercase', 'Split', 'ByteLevel'];

/** Ids beyond any vocabulary's. */
const MOST_IDS = 1 << 20;
/** Characters of a prefix, suffix or unknown token. */
const MOST_AFFIX = 64;

/**
 * The parts of a tokenizer.json that turn a text into ids, checked.
 *
 * @param where the folder, for messages
 * @throws KronaError MODEL_TOKENIZER_UNSUPPORTED (it is not CLIP's), MODEL_CONFIG_INVALID
 */
export function clipOnly(where: string, definition: JsonObject): JsonObject {
  const { normalizer = null, pre_tokenizer = null, model, added_tokens: added = [] } = definition;
  checkSteps(where, normalizer, 0);
  checkSteps(where, pre_tokenizer, 0);
  if (!isJsonObject(model) || model['type'] !== 'BPE' || !isVocabulary(model['vocab']))
    throw unsupported(where, 'its model must be BPE with a vocabulary of whole numbers');
  const { vocab, merges, unk_token, continuing_subword_prefix, end_of_word_suffix, ...flags } = model;
  if (!Array.isArray(merges) || !merges.every(isMerge))
    throw unsupported(where, 'its merges must be pairs of tokens');
  for (const affix of [unk_token, continuing_subword_prefix, end_of_word_suffix])
    if (typeof (affix ?? '') !== 'string' || String(affix).length > MOST_AFFIX)
      throw unsupported(where, `${quoted(affix)} must be a short text`);
  if (!Array.isArray(added) || !added.every(isAddedToken))
    throw unsupported(where, 'its added_tokens must each have an id and a content');
  return {
    added_tokens: added,
    normalizer,
    pre_tokenizer,
    model: {
      type: 'BPE',
      unk_token,
      continuing_subword_prefix,
      end_of_word_suffix,
      fuse_unk: flags['fuse_unk'] === true,
      byte_fallback: flags['byte_fallback'] === true,
      ignore_merges: flags['ignore_merges'] === true,
      vocab,
      merges,
    },
    post_processor: null,
    decoder: { type: 'ByteLevel' },
  };
}

/** Every id of a vocabulary. */
export const vocabularyIds = (vocabulary: unknown): number[] =>
  isJsonObject(vocabulary) ? Object.values(vocabulary).filter((id) => isId(id)) : [];

const isId = (value: unknown): value is number => isInteger(value, 0, MOST_IDS);

const isVocabulary = (value: unknown): boolean => isJsonObject(value) && Object.values(value).every(isId);

/** `a b`, or the pair as a list, as tokenizers 0.20 and later writes it. */
function isMerge(value: unknown): boolean {
  const pair: readonly unknown[] =
    typeof value === 'string' ? value.split(' ') : Array.isArray(value) ? value : [];
  return pair.length === 2 && pair.every((token) => typeof token === 'string');
}

const isAddedToken = (value: unknown): boolean =>
  isJsonObject(value) && isId(value['id']) && typeof value['content'] === 'string' && value['content'] !== '';

/** Refuses a step that CLIP's tokenizers don't have, at any depth. */
function checkSteps(where: string, step: unknown, depth: number): void {
  if (step === null) return;
  if (!isJsonObject(step) || !STEPS.includes(step['type']) || depth > 2)
    throw unsupported(where, `it has the step ${quoted(isJsonObject(step) ? step['type'] : step)}`);
  const { type, pattern, content } = step;
  if (type === 'Split' || type === 'Replace') {
    const expression = isJsonObject(pattern) ? pattern['Regex'] : pattern;
    if (!EXPRESSIONS.includes(expression) || (type === 'Replace' && content !== ' '))
      throw unsupported(where, `it has an expression of its own, ${quoted(pattern)}`);
  }
  const inner = type === 'Sequence' ? (step['normalizers'] ?? step['pretokenizers']) : [];
  if (!Array.isArray(inner) || inner.length > STEPS.length)
    throw unsupported(where, 'its steps must be a short list');
  for (const each of inner) checkSteps(where, each, depth + 1);
}

const unsupported = (where: string, what: string): KronaError =>
  new KronaError(
    'MODEL_TOKENIZER_UNSUPPORTED',
    `${where}/tokenizer.json is not CLIP's tokenizer: ${what}. Use the tokenizer of the model's maker, or one of ` +
      '`krona model pull REPO --only tokenizer`.',
  );
