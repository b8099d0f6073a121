/**
 * @file Captions of training pictures. Most name style and background, some omit one so that short prompts work, and
 * some are empty for classifier-free guidance.
 */
import {
  nounPhrase,
  withArticle,
  type Background,
  type CaptionShares,
  type Concept,
  type Style,
} from './concepts.ts';
import type { ExampleRandom } from './example-random.ts';

/** Number and position of a picture's drawings: the part of a caption besides names, style and background. */
export type Layout =
  | { readonly kind: 'single' }
  /** A small drawing in a part of the picture, such as "top left". */
  | { readonly kind: 'corner'; readonly where: string }
  | { readonly kind: 'count'; readonly count: 2 | 3 }
  | { readonly kind: 'pair'; readonly relation: 'next to' | 'above'; readonly other: Concept };

export interface Subject {
  readonly concept: Concept;
  readonly style: Style;
  readonly background: Background;
  readonly layout: Layout;
  /** The colour that the drawing has instead of its own. */
  readonly hue?: string;
}

/** A caption for the picture, by the configuration's shares. */
export function writeCaption(subject: Subject, shares: CaptionShares, random: ExampleRandom): string {
  const kind = random.unit();
  if (kind < shares.empty) return '';
  const say = (concept: Concept, adjective: string) => {
    const others = concept.also ?? [];
    const word = others.length > 0 && random.chance(shares.synonym) ? random.pick(others) : concept.word;
    const named = subject.hue === undefined ? word : `${subject.hue} ${word}`;
    return { word: named, phrase: nounPhrase(concept, named, adjective) };
  };
  const short = kind < shares.empty + shares.short;
  return subject.layout.kind === 'single'
    ? singleCaption(subject, short, say, random)
    : layoutCaption(subject, subject.layout, short, say, random);
}

/** The prompt for judging: a fixed form that names everything. */
export function judgePrompt(concept: Concept, style: Style, background: Background, hue?: string): string {
  const word = hue === undefined ? concept.word : `${hue} ${concept.word}`;
  return `${nounPhrase(concept, word, style.word)} on ${withArticle(background.name)} background`;
}

type Say = (concept: Concept, adjective: string) => { word: string; phrase: string };

function singleCaption(subject: Subject, short: boolean, say: Say, random: ExampleRandom): string {
  const { concept } = subject;
  const style = subject.style.word;
  const background = subject.background.name;
  const ground = `${withArticle(background)} background`;
  const plain = say(concept, '');
  const styled = nounPhrase(concept, plain.word, style);
  return short
    ? random.pick([
        plain.word,
        plain.phrase,
        `${plain.word} emoji`,
        styled,
        `${plain.phrase} on ${ground}`,
        `${plain.word} on ${background}`,
      ])
    : random.pick([
        `${styled} on ${ground}`,
        `${styled} on ${ground}`,
        `${styled}, ${background} background`,
        `${style} ${plain.word} on ${background}`,
        `${style} emoji of ${plain.phrase}, ${background} background`,
        `${plain.word}, ${style}, ${background} background`,
        `${plain.phrase} in ${style} style on ${ground}`,
      ]);
}

function layoutCaption(
  { concept, style, background, hue = '' }: Subject,
  layout: Exclude<Layout, { kind: 'single' }>,
  short: boolean,
  say: Say,
  random: ExampleRandom,
): string {
  const adjective = short && random.chance(0.5) ? '' : style.word;
  const ground =
    short && adjective !== ''
      ? ''
      : random.pick([` on ${withArticle(background.name)} background`, `, ${background.name} background`]);
  switch (layout.kind) {
    case 'corner': {
      const { word } = say(concept, '');
      return `${nounPhrase(concept, word, adjective === '' ? 'small' : `small ${adjective}`)} in the ${layout.where}${ground}`;
    }
    case 'count': {
      const words = [layout.count === 2 ? 'two' : 'three', adjective, hue, plural(concept.word), 'in a row'];
      return `${words.filter((word) => word !== '').join(' ')}${ground}`;
    }
    case 'pair': {
      const first = say(concept, adjective).phrase;
      return `${first} ${layout.relation} ${say(layout.other, '').phrase}${ground}`;
    }
  }
}

/** The regular English plural, enough for concepts that take an article. */
export function plural(word: string): string {
  if (/[^aeiou]y$/.test(word)) return `${word.slice(0, -1)}ies`;
  return /(s|x|ch|sh)$/.test(word) ? `${word}es` : `${word}s`;
}
