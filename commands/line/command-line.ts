/**
 * @file A command typed as text: `/krona train subject:mochi class:"guinea pig"`, into name, action and options,
 * and back. For platforms that hand over text; values are checked later, by `runCommand`.
 *
 * Words that belong to no key fill the options in their order until the first key, then go on with the last value;
 * where a command takes free text (a prompt), they all belong to that.
 */
import { KronaError } from '../../core/errors.ts';
import type { CommandData, OptionValues, SubcommandData } from '../contract.ts';
import { nearest, suggestion } from '../../core/nearest.ts';
import { unknownOption } from './options.ts';

export interface ParsedCommand {
  readonly name: string;
  /** '' when the command has no actions. */
  readonly action: string;
  readonly options: OptionValues;
}

/** Longest line that is read, in UTF-16 units: room for a prompt that is too long to be told so. */
export const MAX_LINE = 10_000;

/** One stretch of the text: a bare word, a quoted text, or `key:value`. */
interface Token {
  readonly raw: string;
  readonly key: string | null;
  readonly value: string;
  readonly quoted: boolean;
}

const KEY = /([\p{L}_][\p{L}\p{N}_-]*):/uy;
/** Opening quotes and what closes them; phones write curly ones by themselves. */
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

/** The quoted text that starts at `at`; null when none starts there or it is not closed before a space. */
function quotedAt(text: string, at: number): { raw: string; value: string } | null {
  const pattern = QUOTES[text[at] ?? ''];
  const match = pattern === undefined ? null : matchAt(pattern, text, at);
  return match && { raw: match[0], value: match[1]!.replace(/\\(["\\])/g, '$1') };
}

function tokens(text: string): Token[] {
  const found: Token[] = [];
  for (let at = matchAt(SPACE, text, 0)![0].length; at < text.length;) {
    const key = matchAt(KEY, text, at);
    const valueAt = at + (key?.[0].length ?? 0);
    const quoted = quotedAt(text, valueAt);
    const value = quoted?.value ?? matchAt(WORD, text, valueAt)?.[0] ?? '';
    const end = valueAt + (quoted?.raw ?? value).length;
    found.push({
      raw: text.slice(at, end),
      key: key?.[1]!.toLowerCase() ?? null,
      value,
      quoted: quoted !== null,
    });
    at = end + matchAt(SPACE, text, end)![0].length;
  }
  return found;
}

function twice(name: string): KronaError {
  return new KronaError('OPTION_TWICE', `${name} is given twice; give it once, in "quotes" if it is long.`);
}

/** Gathers the value of each option as its words come in. */
class Values {
  readonly #values = new Map<string, string[]>();

  /** Begins the value of a key. @throws KronaError OPTION_TWICE */
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
      `The quote after ${token.key}: is not closed; write ${token.key}:"…".`,
    );
}

/** @throws KronaError OPTION_UNKNOWN when a word of a text looks like an option that was meant. */
function refuseSlip({ key, value }: Token, data: SubcommandData, known: ReadonlySet<string>): void {
  if (key === null || value === '') return;
  const names = data.options.map((option) => option.name);
  // `16:9`, `https://…` and `cat:` are words of the text, but `sede:5` is a slip that would cost a drawing.
  if (nearest(key, names) === null && !known.has(key)) return;
  const { code, message } = unknownOption(key, data);
  throw new KronaError(code, `${message} Put the whole text in "quotes" if it is meant as words.`);
}

/** Options of a command that takes free text: everything that is no `key:value` of its own is the text. */
function readFreeText(
  data: SubcommandData,
  free: string,
  list: readonly Token[],
  known: ReadonlySet<string>,
): OptionValues {
  const names = data.options.filter((option) => option.type !== 'photos').map((option) => option.name);
  const values = new Values();
  const text: Token[] = [];
  let last: string | null = null;
  let named = false;
  for (const token of list) {
    if (token.key === free) {
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
  const whole = words.length === 1 && words[0]!.quoted && words[0]!.key === null ? words[0]!.value : null;
  if (text.length > 0) values.begin(free, whole ?? words.map((token) => token.raw).join(' '));
  return values.done();
}

/** @param known - names of options of all commands */
function readOptions(data: SubcommandData, list: readonly Token[], known: ReadonlySet<string>): OptionValues {
  const free = data.options.find((option) => option.freeText);
  if (free) return readFreeText(data, free.name, list, known);
  const typed = data.options.filter((option) => option.type !== 'photos');
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
      if (inOrder.length === 0)
        throw new KronaError('WORD_UNEXPECTED', `“${token.raw}” belongs to no option; there are none here.`);
      if (next === undefined) values.extend(inOrder.at(-1)!, token.value);
      else values.begin(next, token.value);
    }
  }
  return values.done();
}

/** The action of a command whose action was not named: the first that takes what was given. */
function fittingAction(
  data: CommandData,
  list: readonly Token[],
  attachments: number,
  known: ReadonlySet<string>,
): ParsedCommand {
  let failure: { options: number; error: KronaError } | null = null;
  for (const action of data.actions!) {
    try {
      const options = readOptions(action, list, known);
      const lacks = action.options.find(
        (option) =>
          option.required && (option.type === 'photos' ? attachments === 0 : !(option.name in options)),
      );
      const takesPhotos = attachments === 0 || action.options.some((option) => option.type === 'photos');
      if (!lacks && takesPhotos) return { name: data.name, action: action.name, options };
    } catch (error) {
      if (!(error instanceof KronaError)) throw error;
      // The action with the most options is the one whose complaint helps most.
      if (action.options.length > (failure?.options ?? -1))
        failure = { options: action.options.length, error };
    }
  }
  const actions = data.actions!.map((action) => action.name).join(', ');
  throw (
    failure?.error ??
    new KronaError(
      'ACTION_MISSING',
      `Say what to do: \`/krona ${data.name}\` is followed by one of ${actions}.`,
    )
  );
}

/**
 * Reads a command typed as text. The leading `/krona` may be left out; nothing else at all means help.
 *
 * @param attachments - how many files came with it, which tells `/krona photos` to add from to list
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
      `The line has ${text.length} characters; at most ${MAX_LINE} are read.`,
    );
  const rest = text.trim().replace(/^\/krona(?!\S)/i, '');
  const [first, ...list] = tokens(rest);
  const names = commands.map((command) => command.name);
  const name = first === undefined ? 'help' : first.raw.toLowerCase();
  const data = commands.find((command) => command.name === name);
  if (data === undefined)
    throw new KronaError(
      'COMMAND_UNKNOWN',
      `There is no command “${first!.raw.slice(0, 40)}”.${suggestion(name, names)} Commands: ${names.join(', ')}.`,
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
  return fittingAction(data, list, attachments, known);
}

function optionNames(commands: readonly CommandData[]): Set<string> {
  return new Set(
    commands.flatMap(({ options, actions = [] }) =>
      [...options, ...actions.flatMap((action) => action.options)].map((option) => option.name),
    ),
  );
}

/** A value as `parseCommandLine` reads it back. */
export function quoteValue(value: string): string {
  return /^[^\s"\\“„«:]+$/u.test(value) ? value : `"${value.replace(/["\\]/g, String.raw`\$&`)}"`;
}

/** The text of a command, which `parseCommandLine` reads back as the same. */
export function formatCommandLine(command: ParsedCommand): string {
  const options = Object.entries(command.options).map(
    ([name, value]) => `${name}:${quoteValue(String(value))}`,
  );
  return ['/krona', command.name, command.action, ...options].filter((part) => part !== '').join(' ');
}
