/**
 * @file Renders a card as Block Kit. Pictures and the curve are files that Slack has already; see slack-files.ts.
 * Limits: https://docs.slack.dev/reference/block-kit/blocks
 */
import type { types } from '@slack/bolt';
import type { Card, CardButton, CardMenu, CardPicture, Tone } from '../../commands/card.ts';
import { byteSize } from '../../core/format.ts';
import { chartWords } from '../chart.ts';
import { cut, escapeText, MAX_TEXT, mrkdwn, progressText, tableTexts, unmarked } from './text.ts';

const MAX_BLOCKS = 50;
const MAX_HEADER = 150;
const MAX_FIELDS = 10;
const MAX_FIELD = 2_000;
const MAX_BUTTONS = 25;
const MAX_LABEL = 75;
const MAX_PLACEHOLDER = 150;
const MAX_CHOICES = 100;
/** The id of a message's list to choose from. */
const MENU = 'menu:choose';
const MAX_ALT = 2_000;
/** Of a message's plain text, which notifications and screen readers use. */
const MAX_FALLBACK = 300;

const MARKS: Readonly<Record<Tone, string>> = {
  info: '',
  progress: '⏳ ',
  success: '✅ ',
  warning: '⚠️ ',
  error: '❌ ',
};

/** The files of a card. */
export interface CardFiles {
  /** Slack's file id of a picture by the blob's hash. A picture without one is named instead of shown. */
  readonly pictures: ReadonlyMap<string, string>;
  readonly chart: string | null;
  /** Of the preview of the next picture; null: Slack has none. */
  readonly preview: string | null;
  /** The signed link to a file of the card. */
  link(hash: string, fileName: string): string;
}

const section = (text: string): types.SectionBlock => ({
  type: 'section',
  // Verbatim: addresses and names in a member's text do not become links and mentions.
  text: { type: 'mrkdwn', text: cut(text, MAX_TEXT), verbatim: true },
  expand: true,
});

const context = (text: string): types.ContextBlock => ({
  type: 'context',
  elements: [{ type: 'mrkdwn', text: cut(text, MAX_TEXT), verbatim: true }],
});

const plainText = (text: string, most: number): types.PlainTextElement => ({
  type: 'plain_text',
  text: cut(text, most),
  emoji: false,
});

function image(fileId: string, alt: string, title: string | undefined): types.ImageBlock {
  return {
    type: 'image',
    slack_file: { id: fileId },
    alt_text: cut(unmarked(alt).trim() || 'a picture', MAX_ALT),
    ...(title !== undefined && title !== '' && { title: plainText(unmarked(title), MAX_ALT) }),
  };
}

function fieldBlocks(fields: NonNullable<Card['fields']>): types.SectionBlock[] {
  const blocks: types.SectionBlock[] = [];
  for (let from = 0; from < fields.length; from += MAX_FIELDS)
    blocks.push({
      type: 'section',
      fields: fields.slice(from, from + MAX_FIELDS).map(({ name, value }) => ({
        type: 'mrkdwn',
        text: cut(`*${mrkdwn(name)}*\n${mrkdwn(value) || '–'}`, MAX_FIELD),
        verbatim: true,
      })),
    });
  return blocks;
}

/** A button, with all that a press needs. */
function button({ action, label, style }: CardButton): types.Button {
  return {
    type: 'button',
    action_id: action,
    value: action,
    text: plainText(label, MAX_LABEL),
    ...(style && { style }),
  };
}

/** A list to choose from; each choice is a button's action. */
function select({ label, choices }: CardMenu): types.StaticSelect {
  return {
    type: 'static_select',
    action_id: MENU,
    placeholder: plainText(label, MAX_PLACEHOLDER),
    options: choices
      .slice(0, MAX_CHOICES)
      .map(({ action, label: words }) => ({ text: plainText(words, MAX_LABEL), value: action })),
  };
}

/** Slack has no spoilers: text, and a button that shows the picture to the member who presses it. */
function hiddenPicture({ id, alt, caption }: CardPicture): types.SectionBlock {
  return {
    ...section(`🙈 *Hidden: may be an adult (NSFW) image*\n${mrkdwn(caption ?? alt)}`),
    accessory: button({ action: `reveal:${id}`, label: 'Show' }),
  };
}

function pictureBlocks(card: Card, files: CardFiles): types.KnownBlock[] {
  return (card.pictures ?? []).map((picture) => {
    if (picture.sensitive) return hiddenPicture(picture);
    const { blobHash, alt, caption } = picture;
    const id = files.pictures.get(blobHash);
    return id === undefined
      ? context(`${mrkdwn(caption ?? alt)} (this picture was deleted)`)
      : image(id, alt, caption);
  });
}

function previewBlocks({ preview }: Card, files: CardFiles): types.KnownBlock[] {
  return preview === undefined || files.preview === null
    ? []
    : [image(files.preview, preview.alt, preview.alt)];
}

function headBlocks(card: Card): types.KnownBlock[] {
  const title = unmarked(card.title);
  const whole = MARKS[card.tone] + title;
  return [
    { type: 'header', text: plainText(whole, MAX_HEADER) },
    ...(whole.length > MAX_HEADER ? [section(mrkdwn(title))] : []),
  ];
}

function bodyBlocks(card: Card, files: CardFiles): types.KnownBlock[] {
  const { progress, charts = [] } = card;
  const curves = chartWords(charts);
  return [
    ...(progress ? [section(progressText(progress))] : []),
    ...(card.text ?? []).map((text) => section(mrkdwn(text))),
    ...(card.table ? tableTexts(card.table).map((text) => section(text)) : []),
    ...fieldBlocks(card.fields ?? []),
    ...(charts.length > 0 && files.chart !== null ? [image(files.chart, curves, curves)] : []),
  ];
}

function footBlocks(card: Card, files: CardFiles): types.KnownBlock[] {
  const links = (card.files ?? []).map(
    ({ name, blobHash, size }) =>
      `<${escapeText(files.link(blobHash, name))}|${escapeText(name)}> (${byteSize(size)})`,
  );
  const elements = [
    ...(card.menu === undefined ? [] : [select(card.menu)]),
    ...(card.buttons ?? []).map(button),
  ].slice(0, MAX_BUTTONS);
  return [
    ...(links.length > 0 ? [context(`📎 ${links.join(' · ')}`)] : []),
    ...(elements.length > 0 ? [{ type: 'actions' as const, elements }] : []),
  ];
}

/** The blocks of a card, at most 50: when it has more, pictures and paragraphs in the middle give way. */
export function cardBlocks(card: Card, files: CardFiles): types.KnownBlock[] {
  const head = headBlocks(card);
  const foot = footBlocks(card, files);
  const middle = [...bodyBlocks(card, files), ...pictureBlocks(card, files), ...previewBlocks(card, files)];
  const room = MAX_BLOCKS - head.length - foot.length;
  if (middle.length <= room) return [...head, ...middle, ...foot];
  const left = middle.length - room + 1;
  return [...head, ...middle.slice(0, room - 1), context(`… and ${left} more that don't fit here.`), ...foot];
}

/** A card in one line, where blocks cannot be shown. */
export function cardFallback(card: Card): string {
  const words = [card.title, card.progress?.label ?? card.text?.[0] ?? ''].filter((part) => part !== '');
  return escapeText(cut(unmarked(words.join(' – ')), MAX_FALLBACK));
}
