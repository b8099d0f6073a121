/**
 * @file The text of a slash command as Slack hands it over with `should_escape`: mentions with ids, links in angle
 * brackets, entities for the signs `&`, `<`, `>`. It is read as it was typed; ids stay for the options that take them.
 * https://docs.slack.dev/interactivity/implementing-slash-commands
 */
import type { OptionValues, SubcommandData } from '../../commands/contract.ts';
import { KronaError } from '../../core/errors.ts';
import { unescapeText } from './text.ts';

/** Something that Slack has written out: who or what is meant, and its name where Slack tells it. */
export interface Mention {
  readonly kind: 'member' | 'group' | 'channel' | 'word';
  readonly id: string;
  readonly name: string | null;
}

/** A command's text, to be parsed; each mention in it is one character, so that no name falls apart. */
export interface HeardText {
  readonly line: string;
  readonly mentions: readonly Mention[];
}

/** `<@U7|ann>`, `<#C2|pets>`, `<!subteam^S8|@artists>`, `<!here>`, `<https://a.test|a.test>`; all names may be missing. */
const ESCAPED = /<(?:([@#!])([^<>|\s]+)|([a-z][a-z+.-]*:[^<>|\s]+))(?:\|([^<>]*))?>/g;
/** The private use area of Unicode holds a place for each. */
const FIRST = 0xe000;
const PLACES = /[\ue000-\uf8ff]/g;

const SIGNS = { member: '@', group: '@', channel: '#', word: '' } as const;

function readMention(sign: string | undefined, what: string, name: string | null): Mention {
  if (sign === '@') return { kind: 'member', id: what, name };
  if (sign === '#') return { kind: 'channel', id: what, name };
  const group = /^subteam\^(\w+)$/.exec(what)?.[1];
  if (group !== undefined) return { kind: 'group', id: group, name: name?.replace(/^@/, '') ?? null };
  // `@here` and its like, and addresses.
  return { kind: 'word', id: what, name: name ?? (sign === '!' ? `@${what}` : what) };
}

export function readText(text: string): HeardText {
  const mentions: Mention[] = [];
  const line = text.replace(ESCAPED, (_, sign?: string, what?: string, address?: string, label?: string) => {
    mentions.push(readMention(sign, unescapeText(what ?? address ?? ''), label ? unescapeText(label) : null));
    return String.fromCharCode(FIRST + mentions.length - 1);
  });
  return { line: unescapeText(line), mentions };
}

const filled = (text: string, mentions: readonly Mention[], show: (mention: Mention) => string): string =>
  text.replace(PLACES, (place) => {
    const mention = mentions[place.charCodeAt(0) - FIRST];
    return mention ? show(mention) : place;
  });

const shown = ({ kind, id, name }: Mention): string => SIGNS[kind] + (name ?? id);

/** As commands/rules/members.ts reads it. */
function withId(mention: Mention): string {
  const { kind, id, name } = mention;
  const label = name === null ? '' : `|${name.replace(/[<>|]/g, '')}`;
  if (kind === 'member') return `<@${id}${label}>`;
  return kind === 'group' ? `<!subteam^${id}${label}>` : shown(mention);
}

/** The words of a command's line, or of what is said about it, with names in the places of mentions. */
export const inPlainText = (text: string, mentions: readonly Mention[]): string =>
  filled(text, mentions, shown);

/** The options of a command's line: mentions with their ids where an option takes those, elsewhere as names. */
export function optionsOf(
  parsed: OptionValues,
  { options }: SubcommandData,
  mentions: readonly Mention[],
): OptionValues {
  const takeIds = options.filter((option) => option.mentions).map(({ name }) => name);
  return Object.fromEntries(
    Object.entries(parsed).map(([name, value]) => [
      name,
      filled(String(value), mentions, takeIds.includes(name) ? withId : shown),
    ]),
  );
}

/**
 * Names without ids say too little: Slack's people have two names each, and both change.
 *
 * @throws KronaError MENTION_PLAIN
 */
export function refusePlainMentions(parsed: OptionValues, { options }: SubcommandData): void {
  for (const { name } of options.filter((option) => option.mentions)) {
    const plain = /(?<!\S)@[^\s,]+/.exec(String(parsed[name] ?? ''))?.[0];
    if (plain !== undefined)
      throw new KronaError(
        'MENTION_PLAIN',
        `“${plain.slice(0, 40)}” came from Slack without an id. Choose the name from the list that opens after @, or give ` +
          'the id: `<@U…>` for a member, `S…` for a user group. If it was chosen from the list, the app has an older ' +
          'manifest: an administrator replaces it at api.slack.com/apps, App Manifest, with that of `krona slack manifest`.',
      );
  }
}
