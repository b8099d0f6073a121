/**
 * @file The text of a slash command as Slack sends it with `should_escape`: mentions with ids, links in angle brackets,
 * entities for `&`, `<`, `>`. It is read as it was typed; ids stay for the options that take them.
 * https://docs.slack.dev/interactivity/implementing-slash-commands
 */
import type { OptionValues, SubcommandData } from '../../commands/contract.ts';
import { KronaError } from '../../core/errors.ts';
import { ownId } from '../../core/own-id.ts';
import type { Ids } from './ids.ts';
import { unescapeText } from './text.ts';

/** Something that Slack has expanded: its id, and its name where Slack says it. */
export interface Mention {
  readonly kind: 'member' | 'group' | 'channel' | 'word';
  readonly id: string;
  readonly name: string | null;
}

/** A command's text, to be parsed; each mention is one character in it, so that no name is split. */
export interface HeardText {
  readonly line: string;
  readonly mentions: readonly Mention[];
}

/** `<@U7|ann>`, `<#C2|pets>`, `<!subteam^S8|@artists>`, `<!here>`, `<https://a.test|a.test>`; all names may be missing. */
const ESCAPED = /<(?:([@#!])([^<>|\s]+)|([a-z][a-z+.-]*:[^<>|\s]+))(?:\|([^<>]*))?>/g;
/** Characters of Unicode's private use area stand for the mentions. */
const FIRST = 0xe000;
const PLACES = /[\ue000-\uf8ff]/g;

const SIGNS = { member: '@', group: '@', channel: '#', word: '' } as const;

function readMention(sign: string | undefined, what: string, name: string | null): Mention {
  if (sign === '@') return { kind: 'member', id: what, name };
  if (sign === '#') return { kind: 'channel', id: what, name };
  const group = /^subteam\^(\w+)$/.exec(what)?.[1];
  if (group !== undefined) return { kind: 'group', id: group, name: name?.replace(/^@/, '') ?? null };
  // `@here` and similar, and addresses.
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
function withId(mention: Mention, ids: Ids): string {
  const { kind, id, name } = mention;
  const label = name === null ? '' : `|${name.replace(/[<>|]/g, '')}`;
  if (kind === 'member') return `<@${ids.record(id)}${label}>`;
  return kind === 'group' ? `<!subteam^${id}${label}>` : shown(mention);
}

/** A command's line, or a text about it, with the names of mentions. */
export const inPlainText = (text: string, mentions: readonly Mention[]): string =>
  filled(text, mentions, shown);

/** The options of a command's line: mentions as ids where an option takes ids, elsewhere as names. */
export function optionsOf(
  parsed: OptionValues,
  { options }: SubcommandData,
  mentions: readonly Mention[],
  ids: Ids,
): OptionValues {
  const takeIds = options.filter((option) => option.mentions).map(({ name }) => name);
  /** A mention can also be typed in full. */
  const typed = (text: string) =>
    text.replace(/<@!?([^<>|\s]+)/g, (_, id: string) => `<@${ids.record(ownId(id))}`);
  return Object.fromEntries(
    Object.entries(parsed).map(([name, value]) => [
      name,
      takeIds.includes(name)
        ? filled(typed(String(value)), mentions, (mention) => withId(mention, ids))
        : filled(String(value), mentions, shown),
    ]),
  );
}

/**
 * Refuses names without ids where an option takes ids: people on Slack have two names each, and both change.
 *
 * @throws KronaError MENTION_PLAIN
 */
export function refusePlainMentions(parsed: OptionValues, { options }: SubcommandData): void {
  for (const { name } of options.filter((option) => option.mentions)) {
    const plain = /(?<!\S)@[^\s,]+/.exec(String(parsed[name] ?? ''))?.[0];
    if (plain !== undefined)
      throw new KronaError(
        'MENTION_PLAIN',
        `“${plain.slice(0, 40)}” came from Slack without an id. Choose the name from the list that opens after @, or use ` +
          'the id: `<@U…>` for a member, `S…` for a user group. If you did choose it from the list, the app has an older ' +
          'manifest: an administrator must replace it at api.slack.com/apps, App Manifest, with the one from ' +
          '`krona slack manifest`.',
      );
  }
}
