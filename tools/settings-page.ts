/** @file Writes the tables of settings into docs/training.md, from the definitions in core/settings: `npm run docs`. */
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { defaultText } from '../core/settings/defaults.ts';
import { DRAW_SETTINGS } from '../core/settings/draw-table.ts';
import type { Setting } from '../core/settings/setting.ts';
import { TRAIN_SETTINGS } from '../core/settings/train-table.ts';
import { formatted } from './formatted.ts';

export const PAGE = fileURLToPath(new URL('../docs/training.md', import.meta.url));

type Bounds = Pick<Setting, 'type' | 'choices' | 'parts' | 'min' | 'max' | 'aboveMin'>;

function bounds({ type, choices, parts, min, max, aboveMin }: Bounds): string {
  if (parts) return parts.join(', ');
  if (choices) return choices.join(', ');
  if (type === 'size') return 'width and height';
  if (type === 'flag') return 'on or off';
  if (type === 'text') return 'a text';
  const [least, most] = [min, max].map((bound) => bound?.toLocaleString('en'));
  if (most === undefined) return `from ${least}`;
  return aboveMin ? `above ${least}, to ${most}` : `${least} to ${most}`;
}

/** Values on the command line, and in chat if they differ there. */
function values(setting: Setting): string {
  const { chat, cli, parts } = setting;
  const typed = bounds({ ...setting, ...cli });
  const inChat = chat && bounds({ ...setting, ...chat });
  if (cli === undefined) return inChat ?? typed;
  return inChat === undefined || inChat === typed || parts ? typed : `${typed}; in chat ${inChat}`;
}

function defaults(setting: Setting): string {
  const { chat, cli, default: own } = setting;
  const differs = chat && cli?.default !== undefined && own !== null && typeof own !== 'object';
  return differs ? `${cli.default}; in chat ${own}` : defaultText(setting);
}

const code = (text: string): string => `\`${text}\``;

function row(setting: Setting): string {
  const { chat, cli, description, about, source } = setting;
  const cells = [
    cli ? code(`--${cli.name}`) : '',
    chat ? code(chat.name) : '',
    [description, about].filter((text) => text !== undefined).join('. '),
    values(setting),
    defaults(setting),
    source ?? '',
  ];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function table(command: string, settings: Readonly<Record<string, Setting>>): string {
  return [
    `| ${code(command)} | in chat | what it does | values | default | source |`,
    '| --- | --- | --- | --- | --- | --- |',
    ...Object.values(settings).map(row),
  ].join('\n');
}

/** The page with tables of the current settings. @throws Error when the page lacks the markers of a table */
export async function withSettings(page: string): Promise<string> {
  const tables = {
    train: table('krona train', TRAIN_SETTINGS),
    draw: table('krona imagine', DRAW_SETTINGS),
  };
  for (const [name, text] of Object.entries(tables)) {
    const [begin, end] = [`<!-- settings of ${name} -->`, `<!-- end of ${name} -->`];
    const parts = page.split(begin);
    const after = parts[1]?.split(end)[1];
    if (parts.length !== 2 || after === undefined)
      throw new Error(`docs/training.md needs ${begin} and ${end} around a table.`);
    page = `${parts[0]}${begin}\n\n${text}\n\n${end}${after}`;
  }
  return formatted(PAGE, page);
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  await writeFile(PAGE, await withSettings(await readFile(PAGE, 'utf8')));
