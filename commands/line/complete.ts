/** @file Suggestions while a member types: values of one option, or how a whole line may go on. */
import type { Channel } from '../../core/records.ts';
import { MAX_LINE, quoteValue } from './command-line.ts';
import type { CommandContext, OptionData, SubcommandData } from '../contract.ts';
import { listed } from '../define.ts';
import { COMMANDS } from '../index.ts';

/** Most suggestions that platforms show. */
const MOST = 25;

export interface Suggestion {
  /** What is shown in the list. */
  readonly label: string;
  readonly description: string;
  /** The whole line when this is chosen. */
  readonly line: string;
}

/** Those that begin with what was typed, then those that contain it; without regard to case. */
function matching(typed: string, values: readonly string[]): string[] {
  const wanted = typed.trim().toLowerCase();
  const starting = values.filter((value) => value.toLowerCase().startsWith(wanted));
  const containing = values.filter((value) => value.toLowerCase().includes(wanted));
  return [...new Set([...starting, ...containing])].slice(0, MOST);
}

async function valuesOf(
  option: OptionData,
  typed: string,
  context: CommandContext,
  channel: Channel,
): Promise<string[]> {
  const wanted = typed.normalize('NFC');
  // A free text is completed in its middle, so its completion has matched already.
  if (option.freeText) return [...((await option.complete?.(wanted, context, channel)) ?? [])].slice(0, MOST);
  if (option.type === 'flag') return matching(wanted, ['yes', 'no']);
  return matching(wanted, option.choices ?? (await option.complete?.(wanted, context, channel)) ?? []);
}

function dataOf(name: string, action: string): SubcommandData | undefined {
  const data = COMMANDS.find((command) => command.data.name === name)?.data;
  return data?.actions ? data.actions.find((each) => each.name === action) : data;
}

/** Suggested values of one option, for platforms that complete option by option. Unknown names give none. */
export async function completeOption(
  place: { readonly name: string; readonly action: string; readonly option: string; readonly typed: string },
  context: CommandContext,
  channel: Channel,
): Promise<string[]> {
  const option = dataOf(place.name, place.action)?.options.find((each) => each.name === place.option);
  return option ? valuesOf(option, place.typed, context, channel) : [];
}

/** Commands or actions that begin with what was typed. */
function namesAfter(
  before: string,
  typed: string,
  items: readonly { readonly name: string; readonly description: string }[],
): Suggestion[] {
  return items
    .filter(({ name }) => name.startsWith(typed.toLowerCase()))
    .map(({ name, description }) => ({ label: name, description, line: `${before}${name} ` }));
}

/** How the text of one command's options may go on. */
async function optionsAfter(
  before: string,
  data: SubcommandData,
  text: string,
  context: CommandContext,
  channel: Channel,
): Promise<Suggestion[]> {
  const given = new Set([...text.matchAll(/(?<!\S)(\w+):/g)].map((match) => match[1]!.toLowerCase()));
  // The value being typed may have begun with a quote and hold spaces.
  const [, earlier, key, typed] = /^([^]*?)(?:(\w+):)?((?:"[^"]*|\S*))$/.exec(text)!;
  const option = data.options.find((each) => each.name === key?.toLowerCase());
  if (option)
    return (await valuesOf(option, typed!.replace(/^"/, ''), context, channel)).map((value) => ({
      label: value,
      description: option.description,
      line: `${before}${earlier!}${option.name}:${quoteValue(value)} `,
    }));
  const names = data.options
    .filter((each) => each.type !== 'photos' && !each.freeText && !given.has(each.name))
    .filter(({ name }) => name.startsWith(typed!.toLowerCase()))
    .map(({ name, description }) => ({
      label: `${name}:`,
      description,
      line: `${before}${earlier!}${name}:`,
    }));
  const free = data.options.find((each) => each.freeText);
  if (!free) return names;
  const words = (await valuesOf(free, text, context, channel)).map((value) => ({
    label: /\S*$/.exec(value)![0],
    description: 'a subject of this channel',
    line: `${before}${value} `,
  }));
  return [...words, ...names];
}

/** How a line that begins with `/krona` may go on, for platforms where commands are typed as text. */
export async function completeLine(
  line: string,
  context: CommandContext,
  channel: Channel,
): Promise<Suggestion[]> {
  if (line.length > MAX_LINE) return [];
  if ('/krona '.startsWith(line.toLowerCase()) && line !== '/krona ')
    return [{ label: '/krona', description: 'Teach Krona something and draw it', line: '/krona ' }];
  const [, root, name, rest] = /^(\/krona\s+)(\S*)([^]*)$/i.exec(line) ?? [];
  if (root === undefined || name === undefined) return [];
  if (rest === '')
    return namesAfter(
      root,
      name,
      COMMANDS.map((command) => command.data),
    ).slice(0, MOST);

  const data = COMMANDS.find((command) => command.data.name === name.toLowerCase())?.data;
  if (!data) return [];
  const space = /^\s+/.exec(rest!)![0];
  const text = rest!.slice(space.length);
  const before = `${root}${name}${space}`;
  if (!data.actions) return (await optionsAfter(before, data, text, context, channel)).slice(0, MOST);
  const [, word, gap, more] = /^(\S*)(\s*)([^]*)$/.exec(text)!;
  const action = data.actions.find((each) => each.name === word!.toLowerCase());
  if (gap === '') return namesAfter(before, word!, listed(data.actions)).slice(0, MOST);
  if (!action) return [];
  return (await optionsAfter(`${before}${word!}${gap!}`, action, more!, context, channel)).slice(0, MOST);
}
