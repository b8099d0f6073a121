/**
 * @file Parses commands typed as text, such as `/krona train subject:mochi class:"guinea pig"`, into name, action and
 * options. `runCommand` checks the values later.
 *
 * Words without a key fill the options in their order until the first key; after that, they continue the last value.
 * In a command with free text (a prompt), all of them belong to that text.
 */
import { KronaError } from '../../core/errors.ts';
import type { CommandData, OptionValues, SubcommandData } from '../contract.ts';
import { nearest, suggestion } from '../../core/nearest.ts';
import { isValue, unknownOption } from './options.ts';

export interface ParsedCommand {
  readonly name: string;
  /** '' when the command has no actions. */
  readonly action: string;
  readonly options: OptionValues;
}

/** Longest line, UTF-16 units: enough that a prompt over its own limit gets the error for that. */
const MAX_LINE = 10_000;

/** One part of the text: a word, a quoted text, or `key:value`. */
interface Token {
  readonly raw: string;
  readonly key: string | null;
  readonly value: string;
  readonly quoted: boolean;
}

const KEY = /([\p{L}_][\p{L}\p{N}_-]*):/uy;
/** Quoted texts by their opening quote; phones insert curly quotes. */
const QUOTES: Readonly<Record<string, RegExp>> = {
  '"': /"((?:[^"\\]|\\[^])*)"(?!\S)/y,
  '“': /“([^”]*)”(?!\S)/y,
  '„': /„([^“”]*)[“”](?!\S)/y,
  '«': /«([^»]*)»(?!\S)/y,
};
const WORD = /\S+/y;
const SPACE = /\s*/y;

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

/** Returns the quoted text that starts at `at`; null when there is none that ends before a space. */
function quotedAt(text: string, at: number): { raw: string; value: string } | null {
  const pattern = QUOTES[text[at] ?? ''];
  const match = pattern === undefined ? null : matchAt(pattern, text, at);
  return match && { raw: match[0], value: (match[1] ?? '').replace(/\\(["\\])/g, '$1') };
}

/** Number of spaces at a position. */
const spaceAt = (text: string, at: number): number => matchAt(SPACE, text, at)?.[0].length ?? 0;

function tokens(text: string): Token[] {
  const found: Token[] = [];
  for (let at = spaceAt(text, 0); at < text.length;) {
    const key = matchAt(KEY, text, at);
    const valueAt = at + (key?.[0].length ?? 0);
    const quoted = quotedAt(text, valueAt);
    const value = quoted?.value ?? matchAt(WORD, text, valueAt)?.[0] ?? '';
    const end = valueAt + (quoted?.raw ?? value).length;
    found.push({
      raw: text.slice(at, end),
      key: key?.[1]?.toLowerCase() ?? null,
      value,
      quoted: quoted !== null,
    });
    at = end + spaceAt(text, end);
  }
  return found;
}

function twice(name: string): KronaError {
  return new KronaError(
    'OPTION_TWICE',
    `${name} is set twice. Set it once, in "quotes" if it has several words.`,
  );
}

/** Collects the words of each option's value. */
class Values {
  readonly #values = new Map<string, string[]>();

  /** Starts the value of a key. @throws KronaError OPTION_TWICE */
  begin(name: string, value: string): void {
    if (this.#values.has(name)) throw twice(name);
    this.#values.set(name, value === '' ? [] : [value]);
  }

  extend(name: string, word: string): void {
    this.#values.set(name, [...(this.#values.get(name) ?? []), word]);
  }

  isEmpty(name: string): boolean {
    return this.#values.get(name)?.length === 0;
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  done(): OptionValues {
    return Object.fromEntries([...this.#values].map(([name, words]) => [name, words.join(' ')]));
  }
}

function checkClosed(token: Token): void {
  const opening = token.value[0] ?? '';
  if (token.key !== null && !token.quoted && opening in QUOTES)
    throw new KronaError(
      'QUOTE_OPEN',
      `The quote after ${token.key}: is not closed. Write ${token.key}:"…".`,
    );
}

/** @throws KronaError OPTION_UNKNOWN when a word of a text looks like a mistyped option */
function refuseSlip({ key, value }: Token, data: SubcommandData, known: ReadonlySet<string>): void {
  if (key === null || value === '') return;
  const names = data.options.map((option) => option.name);
  // `16:9`, `https://…` and `cat:` are words of the text, but `sede:5` is a typing error that would waste a drawing.
  if (nearest(key, names) === null && !known.has(key)) return;
  const { code, message } = unknownOption(key, data);
  throw KronaError.reported({
    code,
    message: `${message} If it belongs to the text, put the whole text in "quotes".`,
  });
}

/** The end of a weight such as `(watercolour style:1.3)`, whose last word is no option. */
function isWeight({ key, value }: Token, before: readonly Token[]): boolean {
  if (key === null || !/^[+-]?[\d.]+\)/.test(value)) return false;
  const words = before.map(({ raw }) => raw).join(' ');
  return words.split('(').length > words.split(')').length;
}

/** Reads the options of a command with free text: everything but its `key:value` parts is the text. */
function readFreeText(
  data: SubcommandData,
  free: string,
  list: readonly Token[],
  known: ReadonlySet<string>,
): OptionValues {
  const names = data.options.filter(isValue).map((option) => option.name);
  const values = new Values();
  const text: Token[] = [];
  let last: string | null = null;
  let named = false;
  for (const token of list) {
    if (isWeight(token, text)) {
      text.push(token);
      last = null;
    } else if (token.key === free) {
      if (named) throw twice(free);
      named = true;
      text.push({ ...token, key: null, raw: token.quoted ? token.raw.slice(free.length + 1) : token.value });
      last = null;
    } else if (token.key !== null && names.includes(token.key)) {
      checkClosed(token);
      values.begin(token.key, token.value);
      last = token.quoted ? null : token.key;
    } else if (last !== null && values.isEmpty(last)) {
      values.extend(last, token.value);
    } else {
      refuseSlip(token, data, known);
      text.push(token);
    }
  }
  const words = text.filter((token) => token.raw !== '');
  const [only] = words;
  const whole = words.length === 1 && only?.quoted && only.key === null ? only.value : null;
  if (text.length > 0) values.begin(free, whole ?? words.map((token) => token.raw).join(' '));
  return values.done();
}

/** @param known - names of options of all commands */
function readOptions(data: SubcommandData, list: readonly Token[], known: ReadonlySet<string>): OptionValues {
  const free = data.options.find((option) => option.freeText);
  if (free) return readFreeText(data, free.name, list, known);
  const typed = data.options.filter(isValue);
  const names = typed.map((option) => option.name);
  const inOrder = typed.filter((option) => !option.keyed).map((option) => option.name);
  const values = new Values();
  let last: string | null = null;
  for (const token of list) {
    checkClosed(token);
    if (token.key !== null) {
      if (!names.includes(token.key)) throw unknownOption(token.key, data);
      values.begin(token.key, token.value);
      last = token.key;
    } else if (last !== null) {
      values.extend(last, token.value);
    } else {
      const next = inOrder.find((name) => !values.has(name));
      const final = inOrder.at(-1);
      if (next !== undefined) values.begin(next, token.value);
      else if (final !== undefined) values.extend(final, token.value);
      else
        throw new KronaError('WORD_UNEXPECTED', `“${token.raw}” is unexpected: there are no options here.`);
    }
  }
  return values.done();
}

/** Chooses the action when none was typed: the first whose options fit. */
function fittingAction(
  name: string,
  actions: readonly SubcommandData[],
  list: readonly Token[],
  attachments: number,
  known: ReadonlySet<string>,
): ParsedCommand {
  let failure: { options: number; error: KronaError } | null = null;
  for (const action of actions) {
    try {
      const options = readOptions(action, list, known);
      const lacks = action.options.find(
        (option) => option.required && (isValue(option) ? !(option.name in options) : attachments === 0),
      );
      const takesPhotos = attachments === 0 || action.options.some((option) => !isValue(option));
      if (!lacks && takesPhotos) return { name, action: action.name, options };
    } catch (error) {
      if (!(error instanceof KronaError)) throw error;
      // The error of the action with the most options helps most.
      if (action.options.length > (failure?.options ?? -1))
        failure = { options: action.options.length, error };
    }
  }
  throw (
    failure?.error ??
    new KronaError(
      'ACTION_MISSING',
      `\`/krona ${name}\` needs an action: ${actions.map((action) => action.name).join(', ')}.`,
    )
  );
}

/**
 * Parses a command typed as text. The leading `/krona` is optional; an empty command means help.
 *
 * @param attachments - number of attached files: with some, `/krona photos` means add, without any, list
 * @throws KronaError COMMAND_UNKNOWN, ACTION_UNKNOWN, ACTION_MISSING, OPTION_UNKNOWN, OPTION_TWICE, WORD_UNEXPECTED,
 * QUOTE_OPEN, LINE_TOO_LONG
 */
export function parseCommandLine(
  text: string,
  commands: readonly CommandData[],
  attachments = 0,
): ParsedCommand {
  if (text.length > MAX_LINE)
    throw new KronaError(
      'LINE_TOO_LONG',
      `The line has ${text.length} characters; at most ${MAX_LINE} are allowed.`,
    );
  const rest = text.trim().replace(/^\/krona(?!\S)/i, '');
  const [first, ...list] = tokens(rest);
  const names = commands.map((command) => command.name);
  const typed = first?.raw ?? 'help';
  const name = typed.toLowerCase();
  const data = commands.find((command) => command.name === name);
  if (data === undefined)
    throw new KronaError(
      'COMMAND_UNKNOWN',
      `There is no command “${typed.slice(0, 40)}”.${suggestion(name, names)} Commands: ${names.join(', ')}.`,
    );
  const known = optionNames(commands);
  if (data.actions === undefined) return { name, action: '', options: readOptions(data, list, known) };

  const word = list[0]?.key === null && !list[0].quoted ? list[0].raw : null;
  const action = data.actions.find((each) => each.name === word?.toLowerCase());
  if (action) return { name, action: action.name, options: readOptions(action, list.slice(1), known) };
  const actions = data.actions.map((each) => each.name);
  if (word !== null && nearest(word, actions) !== null)
    throw new KronaError(
      'ACTION_UNKNOWN',
      `\`/krona ${name}\` has no action “${word}”.${suggestion(word, actions)} Actions: ${actions.join(', ')}.`,
    );
  return fittingAction(name, data.actions, list, attachments, known);
}

function optionNames(commands: readonly CommandData[]): Set<string> {
  return new Set(
    commands.flatMap(({ options, actions = [] }) =>
      [...options, ...actions.flatMap((action) => action.options)].map((option) => option.name),
    ),
  );
}

/** Returns a value in quotes where `parseCommandLine` needs them. */
export function quoteValue(value: string): string {
  return /^[^\s"\\“„«:]+$/u.test(value) ? value : `"${value.replace(/["\\]/g, String.raw`\$&`)}"`;
}
