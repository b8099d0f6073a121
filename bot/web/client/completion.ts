/** @file What could come next in a command being typed. Pure: text and cursor in, suggestions out. */
import { quoteValue } from '../../../commands/line/command-line.ts';
import type { CommandView, OptionView } from '../protocol.ts';

export interface Suggestion {
  readonly label: string;
  readonly detail: string;
  /** Replaces the text from `from` to the cursor. */
  readonly insert: string;
}

export interface Assistance {
  /** The command being written, once it is known. */
  readonly command: CommandView | null;
  /** The option of which the value is being written. */
  readonly option: OptionView | null;
  readonly from: number;
  readonly items: readonly Suggestion[];
  /** What to ask the bot for, where an option's suggestions are live. */
  readonly ask: { readonly path: string; readonly option: string; readonly typed: string } | null;
  /** True when Enter takes the first suggestion, because the text is incomplete. */
  readonly eager: boolean;
}

/** Whether an option is a file that comes with the message. */
export const isFile = ({ type }: Pick<OptionView, 'type'>): boolean =>
  type === 'photos' || type === 'picture';

const NOTHING = { command: null, option: null, ask: null, eager: false } as const;

/** The start of the word at the end of `text`, with an open quote kept together. */
function wordStart(text: string): number {
  return text.length - (/(?:[^\s:"]+:)?"[^"]*$|\S*$/u.exec(text)?.[0].length ?? 0);
}

/** Suggestions for an option's value. */
export function valueSuggestions(values: readonly string[], name: string, detail: string): Suggestion[] {
  return values.map((value) => ({ label: value, detail, insert: `${name}:${quoteValue(value)} ` }));
}

/** null when the text is no command. */
export function assist(text: string, cursor: number, commands: readonly CommandView[]): Assistance | null {
  const before = text.slice(0, cursor);
  const head = /^\/(?:krona(?:\s+|$))?/iu.exec(before)?.[0];
  if (head === undefined) return null;
  const words = before.slice(head.length);
  const command = findCommand(words, commands);
  if (command === null) return assistCommand(head, words, commands);
  const from = wordStart(before);
  const word = before.slice(from);
  return assistValue(command, from, word) ?? assistOption(command, from, word, before);
}

/** `/`, `/kro`, `/krona tr`, `/tr`: the command, and its action where it has any. */
function assistCommand(head: string, words: string, commands: readonly CommandView[]): Assistance {
  const partial = 'krona'.startsWith(words.toLowerCase()) && head === '/' ? '' : words.toLowerCase();
  const fitting = commands.filter((each) => each.path.startsWith(partial.replace(/\s+/gu, ' ')));
  return {
    ...NOTHING,
    from: 0,
    items: fitting.map((each) => ({
      label: `/krona ${each.path}`,
      detail: each.description,
      insert: `/krona ${each.path} `,
    })),
    eager: fitting.length > 0 && fitting.every((each) => each.path !== partial.trim()),
  };
}

/** `scheduler:dd`: the value of an option; null when the word names none. */
function assistValue(command: CommandView, from: number, word: string): Assistance | null {
  const colon = word.indexOf(':');
  const named = colon < 1 ? null : word.slice(0, colon).toLowerCase();
  const option = command.options.find((each) => each.name === named && !isFile(each));
  if (option === undefined) return null;
  const typed = word.slice(colon + 1).replace(/^"/u, '');
  const known = option.type === 'flag' ? ['yes', 'no'] : option.choices;
  const fitting = known.filter(
    (choice) => choice.toLowerCase().startsWith(typed.toLowerCase()) && choice !== typed,
  );
  return {
    command,
    option,
    from,
    items: valueSuggestions(fitting, option.name, ''),
    ask: option.live ? { path: command.path, option: option.name, typed } : null,
    eager: fitting.length > 0 && !known.includes(typed),
  };
}

/** The options that are not given yet. */
function assistOption(command: CommandView, from: number, word: string, before: string): Assistance {
  const given = new Set(
    [...before.matchAll(/(?:^|\s)([a-z][a-z0-9_]*):/giu)].map(([, name = '']) => name.toLowerCase()),
  );
  const open = command.options.filter(
    ({ type, freeText, name }) =>
      !isFile({ type }) && !freeText && !given.has(name) && name.startsWith(word.toLowerCase()),
  );
  return {
    ...NOTHING,
    command,
    from,
    items: open.map(({ name, required, description }) => ({
      label: `${name}:`,
      detail: required ? `${description} (required)` : description,
      insert: `${name}:`,
    })),
  };
}

/** The command of which the whole path, and a space after it, has been typed. */
function findCommand(words: string, commands: readonly CommandView[]): CommandView | null {
  const typed = words.toLowerCase().replace(/\s+/gu, ' ');
  return commands.find((command) => typed.startsWith(`${command.path} `)) ?? null;
}
