/** @file Options as a command declares them against the values that came: checked, given their type, read. */
import { KronaError } from '../../core/errors.ts';
import { suggestion } from '../../core/nearest.ts';
import {
  readValue,
  shown,
  expectation as valueExpectation,
  type Value,
  type ValueSpec,
} from '../../core/values.ts';
import type { Invocation, OptionData, OptionValues, SubcommandData } from '../contract.ts';

/** Whether an option is typed, not sent as a file. */
export const isValue = (option: OptionData): option is OptionData & ValueSpec =>
  option.type !== 'photos' && option.type !== 'picture';

/** What an option must be, in words: `a whole number from 1 to 5000`. */
export function expectation(option: OptionData): string {
  return isValue(option) ? valueExpectation(option) : 'files sent with the command';
}

/** The error for an option that `data` does not have, with the nearest one that it has. */
export function unknownOption(name: string, data: Pick<SubcommandData, 'options'>): KronaError {
  const names = data.options.filter(isValue).map((option) => option.name);
  const list = names.length === 0 ? 'It has none.' : `Options: ${names.join(', ')}.`;
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
export function checkOptions(data: Pick<SubcommandData, 'options'>, given: OptionValues): OptionValues {
  const options = data.options.filter(isValue);
  const checked: Record<string, Value> = {};
  for (const [name, value] of Object.entries(given)) {
    const option = options.find((each) => each.name === name);
    if (option === undefined) throw unknownOption(name, data);
    checked[name] = readValue(option, value);
  }
  for (const { name, description, required } of options)
    if (required && checked[name] === undefined)
      throw new KronaError('OPTION_MISSING', `\`${name}\` is missing: ${description}.`);
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
