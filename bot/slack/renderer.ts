/** @file Renders cards as Slack's blocks, after uploading their files; and again when Slack has lost a file. */
import { createHash } from 'node:crypto';
import type { Card } from '../../commands/card.ts';
import { pauseAfter } from '../../core/backoff.ts';
import { retry } from '../../core/retrying.ts';
import type { Rendered } from './answers.ts';
import { cardBlocks, cardFallback } from './blocks.ts';
import { chartWords, drawCharts, type Palette } from '../chart.ts';
import { RecentMap } from '../../core/recent.ts';
import { reasonOf } from './failures.ts';
import type { ShownFile, SlackFiles } from './slack-files.ts';

/** A curve that still grows is drawn anew no more often than this, ms: each drawing is an upload. */
const CURVE_EVERY = 30_000;
/** The same for what a picture looks like so far. */
const PREVIEW_EVERY = 6_000;
const REMEMBERED = 500;
const TRIES = 4;
const PAUSES = { first: 1_000, longest: 3_000 };
const LIGHT: Palette = { ground: '#ffffff', grid: '#e4e2e8', line: '#7c4dbd' };

interface PacedFile {
  readonly at: number;
  readonly file: ShownFile;
}

export class Renderer {
  readonly #files: SlackFiles;
  readonly #link: (hash: string, fileName: string) => string;
  readonly #curves = new RecentMap<string, PacedFile>(REMEMBERED);
  readonly #previews = new RecentMap<string, PacedFile>(REMEMBERED);

  constructor(files: SlackFiles, link: (hash: string, fileName: string) => string) {
    this.#files = files;
    this.#link = link;
  }

  /**
   * Renders a card and sends it.
   *
   * @returns what sending gave, and the keys of the files that the message shows
   */
  async send<T>(
    card: Card,
    send: (rendered: Rendered) => Promise<T>,
  ): Promise<{ readonly sent: T; readonly keys: readonly string[] }> {
    const curve = this.#curveOf(card);
    const preview = this.#previewOf(card);
    const files = [
      // Hidden pictures are not uploaded until somebody asks to see them.
      ...(card.pictures ?? [])
        .filter(({ sensitive }) => !sensitive)
        .map(({ blobHash, alt }) => this.#files.ofBlob(blobHash, alt)),
      ...(curve ? [curve] : []),
    ];
    const keys = [...new Set([...files, ...(preview ? [preview] : [])].map(({ key }) => key))];
    const once = async () => {
      const ids = await this.#files.idsOf(files);
      const chart = (curve && ids.get(curve.key)) ?? null;
      const previewId = preview && (await this.#previewId(preview));
      const blocks = cardBlocks(card, { pictures: ids, chart, preview: previewId, link: this.#link });
      try {
        return { sent: await send({ text: cardFallback(card), blocks }), keys };
      } catch (error) {
        if (isFileMissing(error)) await this.#files.forgetDeleted(keys);
        throw error;
      }
    };
    // A file was deleted there, or Slack's other machines don't know it yet.
    const isFileMissing = (error: unknown) => keys.length > 0 && reasonOf(error) === 'invalid_blocks';
    return retry(once, {
      pause: (error, failures) =>
        isFileMissing(error) && failures < TRIES ? pauseAfter(failures, PAUSES) : null,
    });
  }

  /** Slack's id of a preview; null when Slack did not take it: the card goes without. */
  async #previewId(preview: ShownFile): Promise<string | null> {
    const ids = await this.#files.idsOf([preview]).catch(() => null);
    return ids?.get(preview.key) ?? null;
  }

  #previewOf({ preview, follows, title }: Card): ShownFile | null {
    if (preview === undefined) return null;
    const id = follows?.id ?? title;
    const known = this.#previews.get(id);
    if (known?.file.alt === preview.alt && performance.now() < known.at + PREVIEW_EVERY) return known.file;
    const bytes = Buffer.from(preview.image, 'base64');
    const key = `preview ${id} ${createHash('sha256').update(bytes).digest('hex')}`;
    const file = { key, source: id, alt: preview.alt, bytes: async () => bytes };
    this.#previews.set(id, { at: performance.now(), file });
    return file;
  }

  #curveOf(card: Card): ShownFile | null {
    const { charts = [], follows, title, tone } = card;
    if (charts.length === 0) return null;
    const id = follows?.id ?? title;
    const known = this.#curves.get(id);
    const key = `curve ${id} ${charts.map(({ points }) => points.length).join(' ')}`;
    if (
      known &&
      (known.file.key === key || (tone === 'progress' && performance.now() < known.at + CURVE_EVERY))
    )
      return known.file;
    const file = { key, source: id, alt: chartWords(charts), bytes: () => drawCharts(charts, LIGHT) };
    this.#curves.set(id, { at: performance.now(), file });
    return file;
  }
}
