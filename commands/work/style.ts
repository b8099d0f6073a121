/** @file `/krona style`: named pieces of prompts, of the channel. */
import { KronaError } from '../../core/errors.ts';
import { suggestion } from '../../core/nearest.ts';
import { weightedSpans } from '../../core/prompts/weights.ts';
import type { Channel, Style } from '../../core/records.ts';
import type { Records } from '../../storage/records.ts';
import type { Card } from '../card.ts';
import { plain } from '../cards/format.ts';
import type { CommandContext, OptionData } from '../contract.ts';
import { action, commandOf } from '../define.ts';
import { note } from '../rules/audit.ts';
import { admitTexts } from '../rules/guard.ts';

const MAX_STYLE_NAME = 32;
/** Most characters of what a style adds. */
const MAX_STYLE = 500;
const MOST_STYLES = 100;
/** Most styles of one prompt. */
const MOST_TOGETHER = 4;
const NAME = /^[\p{L}\p{Nd}_-][\p{L}\p{M}\p{Nd}_-]*$/u;

const sameName = (a: string, b: string): boolean =>
  a.normalize('NFKC').toLowerCase() === b.normalize('NFKC').toLowerCase();

/** The styles of a prompt. @throws KronaError STYLE_UNKNOWN with the nearest name, STYLES_TOO_MANY */
export async function requireStyles(
  records: Records,
  channel: Channel,
  names: readonly string[],
): Promise<Style[]> {
  if (names.length > MOST_TOGETHER)
    throw new KronaError(
      'STYLES_TOO_MANY',
      `A prompt can have ${MOST_TOGETHER} styles; yours has ${names.length}. Leave some out.`,
    );
  if (names.length === 0) return [];
  const all = await records.styles(channel.id);
  return names.map((name) => styleOf(all, name.trim()));
}

/** @throws KronaError STYLE_UNKNOWN with the nearest name */
function styleOf(all: readonly Style[], name: string): Style {
  const found = all.find((style) => sameName(style.name, name));
  if (found) return found;
  const names = all.map((style) => style.name);
  const list = names.length === 0 ? 'none yet; `/krona style save` makes one' : names.slice(0, 20).join(', ');
  throw new KronaError(
    'STYLE_UNKNOWN',
    `This channel has no style “${[...name].slice(0, MAX_STYLE_NAME).join('')}”.${suggestion(name, names)} Styles: ${list}.`,
  );
}

/** Completes a style's name. */
export async function completeStyle(
  _typed: string,
  { records }: CommandContext,
  channel: Channel,
): Promise<readonly string[]> {
  return (await records.styles(channel.id)).map(({ name }) => name);
}

/** @throws KronaError STYLE_NAME */
function checkName(name: string): string {
  if ([...name].length <= MAX_STYLE_NAME && NAME.test(name)) return name;
  throw new KronaError(
    'STYLE_NAME',
    `A style's name must be 1 to ${MAX_STYLE_NAME} letters, digits, - or _, without spaces; ` +
      `you gave “${[...name].slice(0, MAX_STYLE_NAME).join('')}”. Try watercolour.`,
  );
}

const STYLE_NAME: OptionData & { readonly name: 'name'; readonly type: 'text'; readonly required: true } = {
  name: 'name',
  description: 'Name of the style',
  type: 'text',
  required: true,
  maxLength: 100,
  complete: completeStyle,
};

const save = action(
  {
    name: 'save',
    description: 'Save a style, or change one',
    options: [
      STYLE_NAME,
      {
        name: 'prompt',
        description: 'What it adds; {prompt} marks the place of the prompt',
        type: 'text',
        required: true,
        maxLength: MAX_STYLE,
      },
      { name: 'negative', description: 'What it avoids', type: 'text', maxLength: MAX_STYLE },
    ],
    needs: 'settings',
  },
  async (invocation, { records }): Promise<Card> => {
    const { channel, member, options } = invocation;
    const { prompt, negative = null } = options;
    const name = checkName(options.name);
    for (const text of [prompt, negative ?? '']) weightedSpans(text);
    const known = await records.transaction(async (inside) => {
      await admitTexts(inside, invocation, [name, prompt]);
      const all = await inside.styles(channel.id);
      const known = all.some((style) => sameName(style.name, name));
      if (!known && all.length >= MOST_STYLES)
        throw new KronaError(
          'STYLES_FULL',
          `This channel has ${all.length} styles, the most it can have. Remove one with \`/krona style remove\`.`,
        );
      await inside.saveStyle({ channelId: channel.id, name, prompt, negative, memberId: member.id });
      await note(inside, invocation, 'settings', `style ${name}: ${prompt}`);
      return known;
    });
    return {
      tone: 'success',
      title: `Style ${plain(name)} ${known ? 'changed' : 'saved'}`,
      text: [`Use it in a prompt: \`/krona imagine a cat --style ${plain(name)}\`.`],
      fields: fieldsOf({ prompt, negative }),
    };
  },
);

const fieldsOf = ({ prompt, negative }: Pick<Style, 'prompt' | 'negative'>): NonNullable<Card['fields']> => [
  { name: 'prompt', value: plain(prompt, MAX_STYLE) },
  ...(negative === null ? [] : [{ name: 'negative prompt', value: plain(negative, MAX_STYLE) }]),
];

const list = action(
  { name: 'list', description: 'Show the styles of this channel', options: [] },
  async ({ channel }, { records }): Promise<Card> => {
    const all = await records.styles(channel.id);
    if (all.length === 0)
      return {
        tone: 'info',
        title: 'No styles yet',
        text: ['`/krona style save name:ink prompt:"ink drawing, thick lines"` saves one.'],
        audience: 'caller',
      };
    return {
      tone: 'info',
      title: 'Styles of this channel',
      text: ['Use one with `--style` in a prompt, several with commas between.'],
      table: {
        columns: ['style', 'prompt', 'negative prompt'],
        rows: all.map(({ name, prompt, negative }) => [
          plain(name),
          plain(prompt, 100),
          negative === null ? '–' : plain(negative, 100),
        ]),
      },
      audience: 'caller',
    };
  },
);

const remove = action(
  { name: 'remove', description: 'Remove a style', options: [STYLE_NAME], needs: 'settings' },
  async (invocation, { records }): Promise<Card> => {
    const { channel, options } = invocation;
    const name = await records.transaction(async (inside) => {
      const style = styleOf(await inside.styles(channel.id), options.name);
      await inside.removeStyle(channel.id, style.name);
      await note(inside, invocation, 'settings', `style ${style.name} removed`);
      return style.name;
    });
    return { tone: 'success', title: `Style ${plain(name)} removed`, audience: 'caller' };
  },
);

export const style = commandOf(
  {
    name: 'style',
    direct: true,
    description: 'Styles: named pieces of prompts',
    example: '/krona style save name:ink prompt:"ink drawing, thick lines"',
  },
  [save, list, remove],
);
