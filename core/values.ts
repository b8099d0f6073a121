/** @file Values that people type, read by a declaration of what they must be: for chat and command line alike. */
import { KronaError } from './errors.ts';
import { suggestion } from './nearest.ts';

/** What a value must be. */
export interface ValueSpec {
  readonly name: string;
  readonly type: 'text' | 'integer' | 'number' | 'flag';
  readonly choices?: readonly string[];
  /** Bounds of a number, both allowed unless `aboveMin`. */
  readonly min?: number;
  readonly max?: number;
  /** `min` itself is refused: a learning rate above 0. */
  readonly aboveMin?: boolean;
  /** Most characters of a text, counted as code points. */
  readonly maxLength?: number;
  /** What it must be, in words, where type and bounds do not say it. */
  readonly expected?: string;
}

export type Value = string | number | boolean;

/** The type of a value that a declaration takes; of one whose own type is not known, any. */
export type ValueOf<S extends { readonly type: string }> = ValueSpec['type'] extends S['type']
  ? Value
  : S extends { readonly type: 'flag' }
    ? boolean
    : S extends { readonly type: 'integer' | 'number' }
      ? number
      : S extends { readonly choices: readonly (infer Choice)[] }
        ? Choice
        : string;

/** Each digit can be read in one way only: otherwise, a long text of digits would take seconds. */
const NUMBER = /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i;
const YES = ['yes', 'true', 'on', '1'];
const NO = ['no', 'false', 'off', '0'];

/** What a value must be, in words: `a whole number from 1 to 5000`. */
export function expectation(spec: Omit<ValueSpec, 'name'>): string {
  const { type, choices, min, max, aboveMin, maxLength, expected } = spec;
  if (expected !== undefined) return expected;
  if (choices) return `one of ${choices.join(', ')}`;
  if (type === 'flag') return 'yes or no';
  if (type === 'text') return maxLength ? `text of at most ${maxLength} characters` : 'text';
  const kind = type === 'integer' ? 'a whole number' : 'a number';
  if (min === undefined) return max === undefined ? kind : `${kind} of at most ${max}`;
  if (max === undefined) return `${kind} ${aboveMin ? 'above' : 'of at least'} ${min}`;
  return aboveMin ? `${kind} above ${min} and at most ${max}` : `${kind} from ${min} to ${max}`;
}

/** A value cut for a message, so that a page of text is not repeated. */
export function shown(value: Value): string {
  const text = String(value);
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}

/** The error for a value that is not what was declared, with the nearest choice. */
export function invalid(spec: ValueSpec, value: Value): KronaError {
  const { name, choices } = spec;
  const meant = choices ? suggestion(String(value), choices) : '';
  return new KronaError(
    'OPTION_INVALID',
    `\`${name}\` must be ${expectation(spec)}; you gave “${shown(value)}”.${meant}`,
  );
}

function readNumber(spec: ValueSpec, value: Value): number | null {
  const number = typeof value === 'number' ? value : NUMBER.test(String(value).trim()) ? Number(value) : NaN;
  const { type, min = -Infinity, max = Infinity, aboveMin = false } = spec;
  const whole = type !== 'integer' || Number.isSafeInteger(number);
  const low = aboveMin ? number > min : number >= min;
  return Number.isFinite(number) && whole && low && number <= max ? number : null;
}

function readFlag(value: Value): boolean | null {
  if (typeof value === 'boolean') return value;
  const word = String(value).trim().toLowerCase();
  return YES.includes(word) ? true : NO.includes(word) ? false : null;
}

function readText(spec: ValueSpec, value: Value): string | null {
  const { name, choices, maxLength } = spec;
  const text = String(value).normalize('NFC').trim();
  if (choices) return choices.find((each) => each.toLowerCase() === text.toLowerCase()) ?? null;
  const length = [...text].length;
  if (length === 0)
    throw new KronaError('OPTION_EMPTY', `\`${name}\` is empty; it must be ${expectation(spec)}.`);
  if (maxLength !== undefined && length > maxLength)
    throw new KronaError(
      'OPTION_TOO_LONG',
      `\`${name}\` has ${length} characters; at most ${maxLength} are allowed.`,
    );
  return text;
}

/**
 * A value with the type that is declared.
 *
 * @throws KronaError OPTION_EMPTY, OPTION_TOO_LONG, OPTION_INVALID
 */
export function readValue(spec: ValueSpec, value: Value): Value {
  const { type } = spec;
  const result =
    type === 'flag' ? readFlag(value) : type === 'text' ? readText(spec, value) : readNumber(spec, value);
  if (result === null) throw invalid(spec, value);
  return result;
}
