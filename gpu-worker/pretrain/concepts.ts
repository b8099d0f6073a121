/**
 * @file What the embedded model is taught: concepts, styles, backgrounds and how pictures of them are laid out,
 * read from the `data` key of the configuration file. Not the model's sizes nor its training, which are the
 * other keys of the same file.
 */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { KronaError } from '../../storage/errors.ts';

/** One thing with a name, drawn once in every style. */
export interface Concept {
  /** Unicode code points in upper-case hex, joined by `-`; names the drawing in every set. */
  readonly hex: string;
  /** The common word for it, lower case. */
  readonly word: string;
  /** Other words for the same thing. */
  readonly also?: readonly string[];
  /** True for words that take no article: plurals and substances. */
  readonly noArticle?: boolean;
  /** True for drawings with letters or hands of a clock, which must not be mirrored. */
  readonly noMirror?: boolean;
}

/** The sets of drawings that sprites.ts can render. */
export const artSets = ['twemoji', 'fluent-3d', 'noto', 'fluent-emoji-flat'] as const;
export type ArtSet = (typeof artSets)[number];

export interface Style {
  readonly word: string;
  readonly set: ArtSet;
}

export interface Background {
  readonly name: string;
  /** 0–255. */
  readonly rgb: readonly [number, number, number];
}

export interface Placement {
  /** Share of the picture's side that a drawing of scale 1 fills with its longer side. */
  readonly frame: number;
  /** Smallest and largest scale inside the frame. */
  readonly scale: readonly [number, number];
  /** Largest shift from the middle as a share of the side; a drawing never leaves the frame. */
  readonly shift: number;
  /** Share of drawings that are mirrored. */
  readonly mirror: number;
  readonly rotate: { readonly share: number; readonly degrees: number };
  /** Share of pictures with one small drawing in a named part of the picture. */
  readonly corners: number;
  /** Share of pictures with two or three of the same in a row. */
  readonly counts: number;
  /** Share of pictures with two different concepts. */
  readonly pairs: number;
  /** Share of the other pictures whose drawing is shown in another colour, where it has one strong colour. */
  readonly recolours: number;
}

export interface CaptionShares {
  /** Share of empty captions, for classifier-free guidance. */
  readonly empty: number;
  /** Share of captions that leave out style or background; all others name both. */
  readonly short: number;
  /** Share of concepts called by one of their other words. */
  readonly synonym: number;
}

export interface PretrainData {
  /** Side of a picture in pixels. */
  readonly size: number;
  readonly concepts: readonly Concept[];
  readonly styles: readonly Style[];
  readonly backgrounds: readonly Background[];
  /** Largest change per channel of a background's colour, in 0–255. */
  readonly backgroundJitter: number;
  readonly heldOut: { readonly modulus: number };
  readonly placement: Placement;
  readonly captions: CaptionShares;
  /** The autoencoder's pictures: side in pixels, and the share that is busier than training pictures. */
  readonly crops: { readonly side: number; readonly wild: number };
  readonly tokenizer: { readonly vocabularySize: number; readonly maxLength: number };
}

/** The configuration of the model that is shipped. */
export const defaultConfigPath = fileURLToPath(new URL('./krona-emoji.json', import.meta.url));

/**
 * Reads and checks the `data` key of a configuration file.
 *
 * @throws KronaError PRETRAIN_CONFIG naming the first value that is missing or wrong.
 */
export async function readPretrainData(path: string = defaultConfigPath): Promise<PretrainData> {
  let data: PretrainData | undefined;
  try {
    ({ data } = JSON.parse(await readFile(path, 'utf8')) as { data?: PretrainData });
  } catch (cause) {
    throw new KronaError('PRETRAIN_CONFIG', 'The pretraining configuration cannot be read as JSON.', {
      cause,
    });
  }
  const problem = data ? findProblem(data) : 'the key "data" is missing';
  if (!data || problem) {
    throw new KronaError('PRETRAIN_CONFIG', `The pretraining configuration is wrong: ${problem ?? ''}.`);
  }
  return data;
}

function findProblem(data: PretrainData): string | undefined {
  for (const key of ['concepts', 'styles', 'backgrounds'] as const) {
    if (!Array.isArray(data[key]) || data[key].length === 0) return `data.${key} must be a list with entries`;
  }
  if (!Number.isInteger(data.size) || data.size % 16 !== 0 || data.size < 16) {
    return `data.size must be a multiple of 16, not ${data.size}`;
  }
  const words = data.concepts.flatMap((concept) => [concept.word, ...(concept.also ?? [])]);
  const names: [string, readonly string[]][] = [
    ['concept', words],
    ['code point', data.concepts.map((concept) => concept.hex)],
    ['style', data.styles.map((style) => style.word)],
    ['background', data.backgrounds.map((background) => background.name)],
  ];
  for (const [kind, list] of names) {
    const twice = list.find((name, index) => list.indexOf(name) !== index);
    if (twice !== undefined) return `the ${kind} "${twice}" occurs twice`;
  }
  const unknown = data.styles.find((style) => !artSets.includes(style.set));
  if (unknown) return `"${unknown.set}" is no set of drawings; choose from ${artSets.join(', ')}`;
  const { placement, captions } = data;
  const shares = {
    'placement.frame': placement.frame,
    'placement.mirror': placement.mirror,
    'placement.rotate.share': placement.rotate.share,
    'placement.corners + counts + pairs': placement.corners + placement.counts + placement.pairs,
    'placement.recolours': placement.recolours,
    'crops.wild': data.crops.wild,
    'captions.empty + short': captions.empty + captions.short,
    'captions.synonym': captions.synonym,
  };
  for (const [name, share] of Object.entries(shares)) {
    if (!(share >= 0 && share <= 1)) return `data.${name} must be between 0 and 1, not ${share}`;
  }
  const [low, high] = placement.scale;
  if (!(low > 0 && low <= high && high <= 1))
    return 'data.placement.scale must be [low, high] within 0 and 1';
  return undefined;
}

/**
 * The noun phrase for a concept, such as "a flat cat", "an owl", "3d cherries".
 *
 * @param word the concept's word or one of its other words.
 */
export function nounPhrase(concept: Concept, word: string = concept.word, adjective = ''): string {
  const phrase = adjective === '' ? word : `${adjective} ${word}`;
  return concept.noArticle ? phrase : withArticle(phrase);
}

/** The phrase after "a" or "an". */
export function withArticle(phrase: string): string {
  return `${/^(?!uni|ufo)[aeiou]/.test(phrase) ? 'an' : 'a'} ${phrase}`;
}
