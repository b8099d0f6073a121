/**
 * @file What a message says, on any platform. Gateways draw it as Discord components, Slack blocks or HTML;
 * no platform word appears here. Text is plain; `**bold**` and `` `code` `` are the only marks.
 */

export type Tone = 'info' | 'progress' | 'success' | 'warning' | 'error';

/** A picture in a gallery. */
export interface CardPicture {
  /** Picture record, or the photo's or blob's id when it is no picture of ours. */
  readonly id: string;
  readonly blobHash: string;
  readonly alt: string;
  readonly caption?: string;
  /** Shown only to those who ask to see it; then a picture of ours, as `reveal:` shows it. Default false. */
  readonly sensitive?: boolean;
}

export interface CardButton {
  /** `verb:recordId`, at most 100 characters: all that is needed to act, also after a restart and a year later. */
  readonly action: string;
  readonly label: string;
  readonly style?: 'primary' | 'danger';
}

export interface CardFile {
  readonly name: string;
  readonly blobHash: string;
  /** Bytes. */
  readonly size: number;
}

export interface Card {
  readonly tone: Tone;
  readonly title: string;
  /** Paragraphs, in order. */
  readonly text?: readonly string[];
  readonly fields?: readonly { readonly name: string; readonly value: string }[];
  /** A table, e.g. the ranking; every row as long as `columns`. */
  readonly table?: { readonly columns: readonly string[]; readonly rows: readonly (readonly string[])[] };
  /** `fraction` in [0, 1]; null while it cannot be told. */
  readonly progress?: { readonly fraction: number | null; readonly label: string };
  /** A curve to look at, e.g. the loss over steps. */
  readonly chart?: {
    readonly label: string;
    readonly points: readonly { readonly x: number; readonly y: number }[];
  };
  readonly pictures?: readonly CardPicture[];
  /** The set that reactions on these pictures vote in. */
  readonly votesOn?: string;
  readonly files?: readonly CardFile[];
  readonly buttons?: readonly CardButton[];
  /** `caller`: only the one who asked sees it. Default `channel`. */
  readonly audience?: 'channel' | 'caller';
  /** A second answer for the caller alone, beside a card that everybody sees and that changes later. */
  readonly aside?: Card;
  /** The message lives: it follows this record's changes until it ends. */
  readonly follows?: { readonly kind: 'run' | 'set' | 'ranking'; readonly id: string };
}
