/**
 * @file Renders a card's text as Discord's markdown: members' own marks are escaped, and tables are aligned in a code
 * block where they fit its width.
 */

import { parseCommandLine } from '../../commands/index.ts';

/** Characters that Discord can read as a mark, a mention, an emoji or a link. */
const MARKS = /[\\*_~|`<>@:[\]]/g;
/** The marks of a card's text. */
const SPANS = /(`[^`]+`|\*\*[^*]+\*\*)/;
/** Columns of a code block that a container shows without breaking lines, on a computer. */
const TABLE_WIDTH = 58;

/** Escapes markdown. Discord does not show a backslash before punctuation. */
export function escaped(text: string): string {
  return text
    .replace(MARKS, '\\$&')
    .replace(/^(\s*)([#+-])/gm, '$1\\$2')
    .replace(/^(\s*\d+)\./gm, '$1\\.');
}

/** A command as it is typed in Discord, where every option has its name; anything else as it is. */
function asTyped(code: string): string {
  if (!code.startsWith('/krona ')) return code;
  try {
    const { name, action, options } = parseCommandLine(code);
    // Words without a name are read last and come first, as they are the subject.
    const given = Object.entries(options).map(([option, value]) => `${option}:${value}`);
    given.sort((a, b) => Number(code.includes(a)) - Number(code.includes(b)));
    return ['/krona', name, action, ...given].filter((part) => part !== '').join(' ');
  } catch {
    // Only the beginning of a command.
    return code;
  }
}

/** A card's text, in which `**bold**` and `` `code` `` keep their meaning. */
export function marked(text: string): string {
  return text
    .split(SPANS)
    .map((part) => {
      if (/^`[^`]+`$/.test(part)) return `\`${asTyped(part.slice(1, -1))}\``;
      const bold = /^\*\*([^*]+)\*\*$/.exec(part)?.[1];
      return bold === undefined ? escaped(part) : `**${escaped(bold)}**`;
    })
    .join('');
}

/** Cuts to `most` characters, never in the middle of an escape. */
export function cut(text: string, most: number): string {
  if (text.length <= most) return text;
  return `${text.slice(0, Math.max(0, most - 1)).replace(/[\\\ud800-\udbff]+$/, '')}…`;
}

/** Columns that a text takes in a fixed-width font. */
function width(text: string): number {
  let columns = 0;
  for (const { segment } of new Intl.Segmenter().segment(text))
    columns +=
      /\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60]/u.test(
        segment,
      )
        ? 2
        : 1;
  return columns;
}

interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** A table of at most `most` characters; the rows that do not fit are counted at its end. */
export function table({ columns, rows }: Table, most: number): string {
  const widths = columns.map((name, index) =>
    Math.max(width(name), ...rows.map((row) => width(row[index] ?? ''))),
  );
  const aligned = widths.reduce((sum, each) => sum + each, 2 * (columns.length - 1)) <= TABLE_WIDTH;
  const line = (cells: readonly string[]) =>
    cells
      .map(
        (cell, index) =>
          cell.replaceAll('`', 'ˋ') + ' '.repeat(Math.max(0, (widths[index] ?? 0) - width(cell))),
      )
      .join('  ')
      .trimEnd();
  const head = aligned ? [line(columns), widths.map((each) => '─'.repeat(each)).join('  ')] : [];
  const lines = rows.map((row) => (aligned ? line(row) : listed(columns, row)));
  // Room for the fence and the count of the other rows.
  let room = most - 40 - head.join('\n').length;
  const shown = lines.filter((text) => (room -= text.length + 1) >= 0);
  const body = [...head, ...shown].join('\n');
  const rest = rows.length > shown.length ? `\n-# and ${rows.length - shown.length} more` : '';
  return aligned ? `\`\`\`\n${body}\n\`\`\`${rest}` : body + rest;
}

/** A row of a table too wide to align: its first two cells, and beneath them the others with their columns. */
function listed(columns: readonly string[], row: readonly string[]): string {
  const [first = '', second = '', ...others] = row;
  const rest = others.flatMap((cell, index) => {
    const column = columns[index + 2] ?? '';
    // A command is code, so that it can be copied.
    const shown = cell.startsWith('/') ? `\`${asTyped(cell).replaceAll('`', 'ˋ')}\`` : escaped(cell);
    return cell === '' ? [] : [column === '' ? shown : `${escaped(column)}: ${shown}`];
  });
  return `**${escaped(first) || '·'}**  ${escaped(second)}${rest.length === 0 ? '' : `\n-# ${rest.join(' · ')}`}`;
}

/** A bar of twenty blocks. @param fraction in [0, 1] */
export function bar(fraction: number): string {
  const full = Math.round(20 * Math.min(1, Math.max(0, fraction)));
  return `${'▰'.repeat(full)}${'▱'.repeat(20 - full)}`;
}
