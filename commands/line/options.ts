/** @file Options as a command declares them against the values that came: checked, given their type, read. */
import { KronaError } from '../../core/errors.ts';
import type { Invocation, OptionData, SubcommandData } from '../contract.ts';
import { suggestion } from './nearest.ts';

export type OptionValues = Invocation['options'];

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const YES = ['yes', 'true', 'on', '1'];
const NO = ['no', 'false', 'off', '0'];

/** What a value must be, in words: `a whole number from 1 to 5000`. */
export function expectation(option: OptionData): string {
  if (option.choices) return `one of ${option.choices.join(', ')}`;
  if (option.type === 'flag') return 'yes or no';
  if (option.type === 'photos') return 'files that come with the command';
  const { min, max } = option;
  if (option.type === 'text')
    return option.maxLength ? `text of at most ${option.maxLength} characters` : 'text';
  const kind = option.type === 'integer' ? 'a whole number' : 'a number';
  if (min === undefined && max === undefined) return kind;
  if (max === undefined) return `${kind} ${option.aboveMin ? 'above' : 'of at least'} ${min!}`;
  if (min === undefined) return `${kind} of at most ${max}`;
  return option.aboveMin ? `${kind} above ${min} and at most ${max}` : `${kind} from ${min} to ${max}`;
}

/** A value cut for a message, so that a page of text is not thrown back. */
function shown(value: string | number | boolean): string {
  const text = String(value);
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}

function wrong(option: OptionData, value: string | number | boolean): KronaError {
  const meant = option.choices ? suggestion(String(value), option.choices) : '';
  return new KronaError(
    'OPTION_INVALID',
    `${option.name} must be ${expectation(option)}; you gave “${shown(value)}”.${meant}`,
  );
}

function readNumber(option: OptionData, value: string | number | boolean): number {
  const number = typeof value === 'number' ? value : NUMBER.test(String(value).trim()) ? Number(value) : NaN;
  const whole = option.type !== 'integer' || Number.isSafeInteger(number);
  const low = option.min === undefined || (option.aboveMin ? number > option.min : number >= option.min);
  const high = option.max === undefined || number <= option.max;
  if (!Number.isFinite(number) || !whole || !low || !high) throw wrong(option, value);
  return number;
}

function readText(option: OptionData, value: string | number | boolean): string {
  const text = String(value).normalize('NFC').trim();
  if (option.choices) {
    const choice = option.choices.find((each) => each.toLowerCase() === text.toLowerCase());
    if (choice === undefined) throw wrong(option, value);
    return choice;
  }
  const length = [...text].length;
  if (length === 0)
    throw new KronaError('OPTION_EMPTY', `${option.name} is empty; it must be ${expectation(option)}.`);
  if (option.maxLength !== undefined && length > option.maxLength)
    throw new KronaError(
      'OPTION_TOO_LONG',
      `${option.name} has ${length} characters; at most ${option.maxLength} are allowed.`,
    );
  return text;
}

function readValue(option: OptionData, value: string | number | boolean): string | number | boolean {
  if (option.type === 'text') return readText(option, value);
  if (option.type === 'integer' || option.type === 'number') return readNumber(option, value);
  if (typeof value === 'boolean') return value;
  const word = String(value).trim().toLowerCase();
  if (YES.includes(word)) return true;
  if (NO.includes(word)) return false;
  throw wrong(option, value);
}

/** The error for an option that `data` does not have, with the nearest one that it has. */
export function unknownOption(name: string, data: SubcommandData): KronaError {
  const names = data.options.filter((option) => option.type !== 'photos').map((option) => option.name);
  const list = names.length === 0 ? 'It takes none.' : `It takes ${names.join(', ')}.`;
  return new KronaError(
    'OPTION_UNKNOWN',
    `There is no option “${shown(name)}” here.${suggestion(name, names)} ${list}`,
  );
}

/**
 * The values of a command or action with the types that it declares.
 *
 * @throws KronaError OPTION_UNKNOWN, OPTION_MISSING, OPTION_EMPTY, OPTION_TOO_LONG, OPTION_INVALID
 */
export function checkOptions(data: SubcommandData, given: OptionValues): OptionValues {
  const checked: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(given)) {
    const option = data.options.find((each) => each.name === name && each.type !== 'photos');
    if (option === undefined) throw unknownOption(name, data);
    checked[name] = readValue(option, value);
  }
  for (const option of data.options)
    if (option.required && option.type !== 'photos' && checked[option.name] === undefined)
      throw new KronaError('OPTION_MISSING', `${option.name} is missing: ${option.description}.`);
  return checked;
}

/** A text option that has been checked; undefined when it was not given. */
export function textOption(invocation: Invocation, name: string): string | undefined {
  const value = invocation.options[name];
  return value === undefined ? undefined : String(value);
}

/** A number option that has been checked; undefined when it was not given. */
export function numberOption(invocation: Invocation, name: string): number | undefined {
  const value = invocation.options[name];
  return value === undefined ? undefined : Number(value);
}

/** A yes-or-no option that has been checked; undefined when it was not given. */
export function flagOption(invocation: Invocation, name: string): boolean | undefined {
  const value = invocation.options[name];
  return value === undefined ? undefined : value === true;
}
