/**
 * @file The training data of a model: concepts, styles, backgrounds and the layout of pictures. It is the key `data` of
 * a configuration file; the other keys hold the model's sizes and its training.
 */
import { withArticle } from '../../core/format.ts';

/** A named subject, drawn once in every style. */
export interface Concept {
  /** Unicode code points in upper-case hex, joined by `-`; names the drawing in every set. */
  readonly hex: string;
  /** Its common word, lower case. */
  readonly word: string;
  /** Synonyms. */
  readonly also?: readonly string[];
  /** True for words without an article: plurals and uncountable nouns. */
  readonly noArticle?: boolean;
  /** True for drawings with letters or clock hands, which must not be mirrored. */
  readonly noMirror?: boolean;
  /** True for drawings of a face that looks at the viewer and can wear glasses. */
  readonly face?: boolean;
}

/** The emoji sets that sprites.ts can render. */
export const artSets = ['twemoji', 'fluent-3d', 'noto', 'fluent-emoji-flat'] as const;
export type ArtSet = (typeof artSets)[number];

export interface Style {
  readonly word: string;
  readonly set: ArtSet;
  /** What people call pictures of this style: "photo" of a cat. */
  readonly media?: readonly string[];
}

/** A concept that others can wear. */
export interface Wearable {
  /** Of the concept. */
  readonly hex: string;
  readonly where: 'head' | 'eyes';
  /** Width as a share of the wearer's. */
  readonly width: number;
}

export interface Background {
  readonly name: string;
  /** 0–255. */
  readonly rgb: readonly [number, number, number];
}

export interface Placement {
  /** Longer side of a drawing of scale 1, as a share of the picture's side. */
  readonly frame: number;
  /** Smallest and largest scale inside the frame. */
  readonly scale: readonly [number, number];
  /** Largest offset from the centre as a share of the side; a drawing never leaves the frame. */
  readonly shift: number;
  /** Share of mirrored drawings. */
  readonly mirror: number;
  readonly rotate: { readonly share: number; readonly degrees: number };
  /** Share of pictures with one small drawing in a named part of the picture. */
  readonly corners: number;
  /** Share of pictures with two or three of the same drawing in a row. */
  readonly counts: number;
  /** Share of pictures with two different concepts. */
  readonly pairs: number;
  /** Share of the other pictures with a recoloured drawing, if it has one strong colour. */
  readonly recolours: number;
  /** Share of pictures with a drawing that wears something; default 0. */
  readonly wearing?: number;
  /** Share of pictures with one very large or very small drawing; default 0. */
  readonly sizes?: number;
  /** Share of pictures with a made-up creature; default 0. */
  readonly creatures?: number;
  /** Share of single, wearing and creature pictures that show a place rather than a plain background; default 0. */
  readonly places?: number;
  /** Share of single pictures with an effect, such as watercolour; default 0. */
  readonly effects?: number;
}

export interface CaptionShares {
  /** Share of empty captions, for classifier-free guidance. */
  readonly empty: number;
  /** Share of the other captions that omit style or background; the rest name both. */
  readonly short: number;
  /** Share of captions that use a synonym of the concept's word. */
  readonly synonym: number;
  /** Share of captions with words that change nothing, such as "cute" or "high quality"; default 0. */
  readonly filler?: number;
  /** Share of captions with a made-up word, so that unknown words do no harm; default 0. */
  readonly unknown?: number;
}

export interface PretrainData {
  /** Side of a picture in pixels. */
  readonly size: number;
  readonly concepts: readonly Concept[];
  readonly styles: readonly Style[];
  readonly wearables?: readonly Wearable[];
  readonly backgrounds: readonly Background[];
  /** Largest change per channel of a background's colour, in 0–255. */
  readonly backgroundJitter: number;
  readonly heldOut: { readonly modulus: number };
  readonly placement: Placement;
  readonly captions: CaptionShares;
  /** The autoencoder's crops: side in pixels, and the share that is busier than training pictures. */
  readonly crops: { readonly side: number; readonly wild: number };
  readonly tokenizer: { readonly vocabularySize: number; readonly maxLength: number };
}

/**
 * The noun phrase for a concept, such as "a flat cat", "an owl", "3d cherries".
 *
 * @param word the concept's word or a synonym
 */
export function nounPhrase(concept: Concept, word: string = concept.word, adjective = ''): string {
  const phrase = adjective === '' ? word : `${adjective} ${word}`;
  return concept.noArticle ? phrase : withArticle(phrase);
}
