/**
 * @file A card as Discord's components (Components V2): one container with the tone's colour, and the files that
 * it refers to. Limits: 40 components, 4000 characters in all texts, 10 pictures, 5 buttons a row, 1024 of alt text.
 * https://docs.discord.com/developers/components/reference
 */
import { createHash } from 'node:crypto';
import {
  type APIButtonComponentWithCustomId,
  type APIComponentInContainer,
  type APIContainerComponent,
  type APIStringSelectComponent,
  ButtonStyle,
  ComponentType,
} from 'discord.js';
import type { Card, CardButton, CardMenu, Tone } from '../../commands/card.ts';
import { byteSize } from '../../core/format.ts';
import type { BlobStore } from '../../storage/blobs/contract.ts';
import { chartWords, drawCharts, type Palette } from '../chart.ts';
import { bar, cut, escaped, marked, table } from './text.ts';
import { cardFile, pictureFiles, REQUEST_LIMIT, type UploadFile } from './uploads.ts';

/** Pictures in one message. */
const MAX_PICTURES = 10;
const MAX_TEXT = 4000;
const BUTTONS_A_ROW = 5;
const MAX_BUTTONS = 20;
const MAX_CHOICES = 25;
/** The id of a message's list to choose from. */
const MENU = 'menu';

const COLOURS: Readonly<Record<Tone, number>> = {
  info: 0x5865f2,
  progress: 0xf0b232,
  success: 0x23a55a,
  warning: 0xe67e22,
  error: 0xda373c,
};

const STYLES = { primary: ButtonStyle.Primary, danger: ButtonStyle.Danger } as const;

/** The version of Krona that made a button; an id without it is not one of ours. */
const VERSION = 'k1:';

const customId = (action: string): string => VERSION + action;

/** The `verb:recordId` of a button; an id of another version comes back whole, and no action has that name. */
export const actionOf = (id: string): string => (id.startsWith(VERSION) ? id.slice(VERSION.length) : id);

export interface Rendered {
  readonly components: readonly APIContainerComponent[];
  readonly files: readonly UploadFile[];
}

export interface RenderParts {
  readonly blobs: BlobStore;
  /** A link that works for everybody who has it. */
  readonly link: (hash: string, fileName: string) => string;
  /** Bytes of one file. */
  readonly limit: number;
  /** Id of the container, by which a message of ours is found again. 1 to 2³¹ − 1. */
  readonly mark?: number;
}

const text = (content: string): APIComponentInContainer => ({ type: ComponentType.TextDisplay, content });

/** Texts of one message share 4000 characters: each takes what is left, so the most important go first. */
class TextBudget {
  #left = MAX_TEXT;

  take(content: string): string {
    const fits = cut(content, this.#left);
    this.#left -= fits.length;
    return fits;
  }

  get left(): number {
    return this.#left;
  }
}

/** Renders a card. Pictures beyond the tenth are left out: see `pages`. */
export async function renderCard(card: Card, parts: RenderParts): Promise<Rendered> {
  const { blobs, link, limit, mark } = parts;
  const files: UploadFile[] = [];
  const budget = new TextBudget();
  const take = (content: string): APIComponentInContainer[] =>
    content === '' || budget.left < 20 ? [] : [text(budget.take(content))];

  const head = take([`### ${escaped(card.title)}`, ...(card.text ?? []).map(marked)].join('\n'));
  const progress = take(progressText(card));
  const fields = take(fieldsText(card));
  const downloads: APIComponentInContainer[] = [];
  let room = REQUEST_LIMIT;
  // Pictures, which must be shown, are left half of the request.
  const kept = card.pictures?.length ? REQUEST_LIMIT / 2 : 0;
  for (const file of card.files ?? []) {
    const upload = await cardFile(file, blobs, Math.min(limit, room - kept));
    if (upload !== null) {
      room -= upload.size;
      files.push(upload);
      downloads.push({ type: ComponentType.File, file: { url: `attachment://${upload.name}` } });
    }
    const url = link(file.blobHash, file.name);
    const words =
      upload === null
        ? `${escaped(file.name)}](<${url}>) · ${byteSize(file.size)}`
        : `Link to this file](<${url}>)`;
    downloads.push(...take(`-# [${words}`));
  }
  const chart = await chartParts(card, files, take);
  const pictures = await picturesParts(card, parts, room, files, take);
  // The longest and least urgent: it gets what is left.
  const rows = card.table && budget.left > 100 ? take(table(card.table, budget.left)) : [];

  const container: APIContainerComponent = {
    type: ComponentType.Container,
    accent_color: COLOURS[card.tone],
    components: [
      ...head,
      ...progress,
      ...fields,
      ...rows,
      ...chart,
      ...pictures,
      ...downloads,
      ...buttonRows(card.buttons ?? []),
      ...menuRow(card.menu),
    ],
    ...(mark !== undefined && { id: mark }),
  };
  return { components: [container], files };
}

function progressText({ progress }: Card): string {
  if (!progress) return '';
  const label = escaped(progress.label);
  return progress.fraction === null ? `⏳ ${label}` : `${bar(progress.fraction)}\n${label}`;
}

/** Short fields on one line, long ones each on its own. */
function fieldsText({ fields = [] }: Card): string {
  const shown = fields.map(({ name, value }) => `**${escaped(name)}** ${marked(value)}`);
  const oneLine = shown.join(' · ');
  return oneLine.length <= 160 ? oneLine : shown.join('\n');
}

type Take = (content: string) => APIComponentInContainer[];

/** Discord's dark theme, which nearly everybody has. */
const DARK: Palette = { ground: '#1e1f22', grid: '#3f4147', line: '#8ea1e1' };

async function chartParts({ charts = [] }: Card, files: UploadFile[], take: Take) {
  if (charts.length === 0) return [];
  const png = await drawCharts(charts, DARK);
  const description = `Curve: ${chartWords(charts)}`.slice(0, 1024);
  const name = `curve-${createHash('sha256').update(png).digest('hex').slice(0, 12)}.png`;
  files.push({ name, description, load: async () => png });
  return [gallery([{ name, description }]), ...take(`-# ${escaped(chartWords(charts))}`)];
}

/** What the next picture looks like so far, as a file. */
function previewFile({ preview }: Card): (UploadFile & GalleryItem)[] {
  if (preview === undefined) return [];
  const bytes = Buffer.from(preview.image, 'base64');
  const name = `preview-${createHash('sha256').update(bytes).digest('hex').slice(0, 12)}.webp`;
  return [{ name, description: preview.alt.slice(0, 1024), load: async () => bytes }];
}

async function picturesParts(
  card: Card,
  { blobs, limit }: RenderParts,
  room: number,
  files: UploadFile[],
  take: Take,
) {
  const previews = previewFile(card);
  const most = MAX_PICTURES - files.length - previews.length;
  const shown = await pictureFiles((card.pictures ?? []).slice(0, most), blobs, limit, room);
  if (shown.length + previews.length === 0) return [];
  files.push(...shown.map(({ file }) => file), ...previews);
  const captions = shown.flatMap(({ picture: { caption } }) => (caption ? [escaped(caption)] : []));
  return [
    gallery([
      ...shown.map(({ picture, file }) => ({
        name: file.name,
        description: picture.alt.slice(0, 1024),
        spoiler: picture.sensitive === true,
      })),
      ...previews,
    ]),
    ...take(captions.length === 0 ? '' : `-# ${captions.join('   |   ')}`),
  ];
}

interface GalleryItem {
  readonly name: string;
  readonly description: string;
  readonly spoiler?: boolean;
}

function gallery(items: readonly GalleryItem[]): APIComponentInContainer {
  return {
    type: ComponentType.MediaGallery,
    items: items.map(({ name, description, spoiler = false }) => ({
      media: { url: `attachment://${name}` },
      ...(description !== '' && { description }),
      ...(spoiler && { spoiler }),
    })),
  };
}

/** Rows of about the same length: seven buttons are four and three. */
function buttonRows(buttons: readonly CardButton[]): APIComponentInContainer[] {
  const kept = buttons.slice(0, MAX_BUTTONS);
  const rows = Math.ceil(kept.length / BUTTONS_A_ROW);
  const length = Math.ceil(kept.length / rows);
  return Array.from({ length: rows }, (_, row) => ({
    type: ComponentType.ActionRow as const,
    components: kept.slice(row * length, (row + 1) * length).map(button),
  }));
}

/** A list to choose from. What was chosen can be taken back, so that it can be chosen again. */
function menuRow(menu: CardMenu | undefined): APIComponentInContainer[] {
  if (menu === undefined) return [];
  const select: APIStringSelectComponent = {
    type: ComponentType.StringSelect,
    custom_id: customId(MENU),
    placeholder: cut(menu.label, 150),
    min_values: 0,
    max_values: 1,
    options: menu.choices
      .slice(0, MAX_CHOICES)
      .map(({ action, label }) => ({ label: cut(label, 100), value: customId(action) })),
  };
  return [{ type: ComponentType.ActionRow, components: [select] }];
}

function button({ action, label, style }: CardButton): APIButtonComponentWithCustomId {
  return {
    type: ComponentType.Button,
    style: style === undefined ? ButtonStyle.Secondary : STYLES[style],
    label: cut(label, 80),
    custom_id: customId(action),
  };
}

/** A card in as many messages as its pictures need; all but the first have pictures alone. */
export function pages(card: Card): Card[] {
  const { pictures = [] } = card;
  const first = { ...card, pictures: pictures.slice(0, MAX_PICTURES) };
  const rest: Card[] = [];
  for (let at = MAX_PICTURES; at < pictures.length; at += MAX_PICTURES)
    rest.push({
      tone: card.tone,
      title: `${card.title} (${at + 1} to ${Math.min(pictures.length, at + MAX_PICTURES)})`,
      pictures: pictures.slice(at, at + MAX_PICTURES),
      ...(card.audience && { audience: card.audience }),
    });
  return [first, ...rest];
}
