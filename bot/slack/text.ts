/**
 * @file Renders a card's text as Slack's mrkdwn. Only the two marks of cards become formatting; everything else that a
 * member wrote stays as it is and pings nobody. https://docs.slack.dev/messaging/formatting-message-text
 */
import type { Card } from '../../commands/card.ts';

/** Most characters of a section's text. */
export const MAX_TEXT = 3_000;
/** Characters that fit on a line of a code block in Slack's window. */
const LINE = 76;
const BAR = 20;

/** The three characters that Slack reads as markup: with them escaped no mention, link or channel can be made. */
export const escapeText = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** Undoes Slack's escapes, which the text of a slash command has. */
export const unescapeText = (text: string): string =>
  text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');

const segmenter = new Intl.Segmenter();

/** At most `most` characters (UTF-16 units, as Slack counts), not cut inside a character. */
export function cut(text: string, most: number): string {
  if (text.length <= most) return text;
  const end = segmenter.segment(text.slice(0, most + 64)).containing(most - 1)?.index ?? most - 1;
  return `${text.slice(0, end)}…`;
}

/** Text without marks: characters that would format become look-alikes, as mrkdwn has no escape for them. */
function words(text: string): string {
  const literal = text
    .replaceAll('*', '∗')
    .replaceAll('~', '∼')
    .replaceAll('`', 'ˋ')
    // Inside a word an underscore is only an underscore: red_robot.
    .replace(/(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])/gu, '＿');
  return escapeText(literal);
}

/** `**bold**` and `` `code` `` as mrkdwn; everything else as it was written. */
export function mrkdwn(text: string): string {
  const parts = text.split(/(\*\*[^*]+\*\*|`[^`\n]+`)/);
  const lines = parts
    .map((part) => {
      if (/^\*\*[^*]+\*\*$/.test(part)) return `*${words(part.slice(2, -2))}*`;
      if (/^`[^`\n]+`$/.test(part)) return `\`${escapeText(part.slice(1, -1))}\``;
      return words(part);
    })
    .join('');
  // An escaped > that begins a line would still quote it.
  return lines.replace(/^&gt;/gm, '\u2060&gt;');
}

/** Text without marks, for notifications and plain_text. */
export const unmarked = (text: string): string => text.replaceAll('**', '').replaceAll('`', '');

/** `▰▰▰▱▱▱ label`; without a bar while the fraction is not known. */
export function progressText({ fraction, label }: NonNullable<Card['progress']>): string {
  if (fraction === null) return mrkdwn(label);
  const full = Math.round(Math.min(1, Math.max(0, fraction)) * BAR);
  return `${'▰'.repeat(full)}${'▱'.repeat(BAR - full)}  ${mrkdwn(label)}`;
}

/** Columns that a text takes in a fixed-width font: wide characters and emoji take two. */
function width(text: string): number {
  return [...segmenter.segment(text)].reduce(
    (sum, { segment }) =>
      sum +
      (/\p{Emoji_Presentation}|\ufe0f|[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\uff00-\uff60]/u.test(
        segment,
      )
        ? 2
        : 1),
    0,
  );
}

/** A table as texts of sections: aligned in a code block, or a line a row when it is too wide for one. */
export function tableTexts({ columns, rows }: NonNullable<Card['table']>): string[] {
  const all = [columns, ...rows];
  if (all.some((row) => row.some((cell) => cell.length > LINE))) return fill(rows.map(listed), '', '');
  const widths = columns.map((_, column) => Math.max(...all.map((row) => width(row[column] ?? ''))));
  const total = widths.reduce((sum, each) => sum + each + 2, 0);
  if (total > LINE) return fill(rows.map(listed), '', '');
  const lines = all.map((row) =>
    row
      .map((cell, column) => cell + ' '.repeat(Math.max(0, (widths[column] ?? 0) - width(cell))))
      .join('  ')
      .trimEnd(),
  );
  return fill(
    lines.map((line) => escapeText(line.replaceAll('`', 'ˋ'))),
    '```\n',
    '\n```',
  );
}

/** A cell; a command is shown as code. */
const cellText = (cell: string): string =>
  cell.startsWith('/') ? `\`${escapeText(cell.replaceAll('`', 'ˋ'))}\`` : words(cell);

const listed = ([first = '', ...rest]: readonly string[]): string =>
  [`*${words(unmarked(first))}*`, ...rest.filter((cell) => cell !== '').map(cellText)].join(' · ');

/** Lines gathered into texts that fit a section. */
function fill(lines: readonly string[], before: string, after: string): string[] {
  const room = MAX_TEXT - before.length - after.length;
  const texts: string[] = [];
  let text = '';
  for (const line of lines.map((each) => cut(each, room))) {
    if (text !== '' && text.length + 1 + line.length > room) {
      texts.push(text);
      text = line;
    } else text = text === '' ? line : `${text}\n${line}`;
  }
  return [...texts, text].filter((each) => each !== '').map((each) => before + each + after);
}
