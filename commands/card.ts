/**
 * @file Cards: the content of messages on any platform. Gateways render them as Discord components, Slack blocks or
 * HTML. Text is plain; `**bold**` and `` `code` `` are the only marks.
 */

export type Tone = 'info' | 'progress' | 'success' | 'warning' | 'error';

/** A picture in a gallery. */
export interface CardPicture {
  /** Id of the picture's record, or of the photo or blob. */
  readonly id: string;
  readonly blobHash: string;
  readonly alt: string;
  readonly caption?: string;
  /** Hidden until a member asks to see it with `reveal:`, which needs the id of a picture. Default false. */
  readonly sensitive?: boolean;
}

export interface CardButton {
  /**
   * `verb:recordId`, at most 100 characters: all that the button needs, also after a restart and a year later. The id can be
   * a blob's, and can be followed by a part of the record: `drop:recordId.3`.
   */
  readonly action: string;
  readonly label: string;
  readonly style?: 'primary' | 'danger';
}

/** Buttons of which there are too many for a row: one list to choose from. */
export interface CardMenu {
  /** Says what it is for: at most 100 characters. */
  readonly label: string;
  /** At most 25, with different actions and labels. */
  readonly choices: readonly Pick<CardButton, 'action' | 'label'>[];
}

export interface CardFile {
  readonly name: string;
  readonly blobHash: string;
  /** Bytes. */
  readonly size: number;
}

/** Points of a curve, by rising x. */
export type Points = readonly { readonly x: number; readonly y: number }[];

export interface CardChart {
  readonly label: string;
  readonly points: Points;
  /** A second curve on the same axes, dashed. */
  readonly beside?: { readonly label: string; readonly points: Points };
}

export interface Card {
  readonly tone: Tone;
  readonly title: string;
  /** Paragraphs, in order. */
  readonly text?: readonly string[];
  readonly fields?: readonly { readonly name: string; readonly value: string }[];
  /** A table; every row is as long as `columns`. */
  readonly table?: { readonly columns: readonly string[]; readonly rows: readonly (readonly string[])[] };
  /** `fraction` in [0, 1]; null while it is unknown. */
  readonly progress?: { readonly fraction: number | null; readonly label: string };
  /** Curves, such as the loss over steps, each with two points or more; drawn below one another. */
  readonly charts?: readonly CardChart[];
  readonly pictures?: readonly CardPicture[];
  /** What the next picture looks like so far: coarse, and replaced or gone soon. It stands after the pictures. */
  readonly preview?: { readonly alt: string; /** WebP, base64. */ readonly image: string };
  /** The set in which reactions to these pictures are votes. */
  readonly votesOn?: string;
  readonly files?: readonly CardFile[];
  readonly buttons?: readonly CardButton[];
  readonly menu?: CardMenu;
  /** `caller`: only the member who used the command sees it. Default `channel`. */
  readonly audience?: 'channel' | 'caller';
  /** A second card, which only the caller sees, beside one for the channel. */
  readonly aside?: Card;
  /** The message is updated when this record changes. */
  readonly follows?: { readonly kind: 'run' | 'set' | 'ranking' | 'duel' | 'pull'; readonly id: string };
}
