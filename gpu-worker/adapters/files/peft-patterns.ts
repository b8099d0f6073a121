/**
 * @file PEFT's `alpha_pattern` and `rank_pattern`: regular expressions for a module's whole name, or for its end from a
 * dot on. Rule: get_pattern_key of peft/utils/other.py, `re.match(rf"(.*\.)?({key})$", name)`.
 */
import { createContext, Script } from 'node:vm';
import { KronaError } from '../../../core/errors.ts';
import { quoted } from '../../models/config-fields.ts';

/**
 * A stranger's expression can take exponential time, so all matches of one config share this budget, ms. The runtime
 * interrupts an expression that exceeds it.
 */
const BUDGET = 500;
/**
 * What simple expressions may take in all, ms: many of them, or long names, still take polynomial time. Those of 800
 * modules, each by its name, take 200.
 */
const QUICK_BUDGET = 2000;

const FIND = new Script('patterns.findIndex((pattern) => pattern.test(name))');

/**
 * Finds the value of the first pattern that fits a name.
 *
 * @param patterns the field of a config, by expression
 * @param field its name, for messages
 * @returns a function from a module's name to the value, or undefined if no pattern fits
 * @throws KronaError ADAPTER_INVALID: now if an expression is invalid, at a match if the expressions take too long
 */
export function patternValues(patterns: unknown, field: string): (name: string) => unknown {
  if (typeof patterns !== 'object' || patterns === null) return () => undefined;
  const entries = Object.entries(patterns);
  if (entries.length === 0) return () => undefined;
  // JavaScript puts keys that are numbers before all others, so their place is lost, and the first that fits counts.
  const number = entries.find(([key]) => /^\d+$/.test(key));
  if (number !== undefined && entries.length > 1)
    throw unreadable(number[0], field, 'has lost its place among the others');
  const values = entries.map(([, value]) => value as unknown);
  const expressions = entries.map(([key]) => expression(key, field));
  if (entries.every(([key]) => isQuick(key))) return quickValues(expressions, values, field);
  const scope = createContext({ patterns: expressions, name: '' });
  let left = BUDGET;
  return (name) => {
    scope['name'] = name;
    const start = performance.now();
    try {
      const index: unknown = FIND.runInContext(scope, { timeout: Math.max(1, Math.ceil(left)) });
      return typeof index === 'number' && index >= 0 ? values[index] : undefined;
    } catch (cause) {
      throw tooSlow(field, cause);
    } finally {
      left -= performance.now() - start;
    }
  };
}

/** As patternValues, with one look at the clock for each match. */
function quickValues(
  expressions: readonly RegExp[],
  values: readonly unknown[],
  field: string,
): (name: string) => unknown {
  let left = QUICK_BUDGET;
  return (name) => {
    const start = performance.now();
    const index = expressions.findIndex((each) => {
      if (performance.now() - start > left) throw tooSlow(field);
      return each.test(name);
    });
    left -= performance.now() - start;
    return values[index];
  };
}

/** At most two repetitions or optional signs, and none of a group: polynomial time, without a watchdog for each match. */
function isQuick(key: string): boolean {
  const repetitions = key.replace(/\(\?/g, '(').match(/[*+{?]/g) ?? [];
  return !/\)[*+{?]/.test(key) && repetitions.length <= 2 && key.length <= 512;
}

/** An expression of Python as one of JavaScript, which differ in names of groups and in `\A` and `\Z`. */
function expression(key: string, field: string): RegExp {
  // In Python a group that took no part never matches again, in JavaScript it matches nothing.
  if (/\\[1-9]/.test(key)) throw unreadable(key, field, 'refers to a group by its number');
  const translated = key
    .replaceAll('(?P<', '(?<')
    .replace(/\(\?P=(\w+)\)/g, '\\k<$1>')
    .replace(/^\\A/, '^')
    .replace(/\\Z$/, '$')
    .replace(/\{,(\d+)\}/g, '{0,$1}')
    // In Python a bracket that closes nothing is a member of the class.
    .replace(/\[(\^?)\]/g, '[$1\\]')
    // Python escapes any sign; with `u` only those that mean something are escaped.
    .replace(/\\([-_&~#%!"',:;<=>@` ])/g, (_, sign: string) => (sign === '-' ? '\\x2d' : sign));
  try {
    // With `u` unknown escapes are errors instead of letters.
    return new RegExp(`^(.*\\.)?(${translated})$`, 'u');
  } catch (cause) {
    throw unreadable(key, field, 'is not a valid regular expression', cause);
  }
}

function tooSlow(field: string, cause?: unknown): KronaError {
  return new KronaError(
    'ADAPTER_INVALID',
    `adapter_config.json has expressions in ${field} that take too long to match; write out the names of the modules.`,
    { cause },
  );
}

function unreadable(key: string, field: string, why: string, cause?: unknown): KronaError {
  return new KronaError(
    'ADAPTER_INVALID',
    `adapter_config.json has ${quoted(key)} in ${field}, which ${why}; write out the names of the modules.`,
    { cause },
  );
}
