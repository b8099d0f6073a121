/**
 * @file Captions of training pictures. Most name style and background; some omit one, so that short prompts work. Some
 * are written as newcomers write prompts, with words that change nothing.
 */
import { withArticle } from '../../core/format.ts';
import { at } from '../../core/at.ts';
import { CREATURE_COLOURS, MOODS, type Creature } from '../procedural/creatures.ts';
import { HATS } from '../procedural/faces.ts';
import { nounPhrase, type Background, type CaptionShares, type Concept, type Style } from './concepts.ts';
import { EFFECT_WORDS, type Effect } from './effects.ts';
import type { ExampleRandom } from './example-random.ts';
import { PLACE_PHRASES, type PlaceName } from './grounds.ts';
import type { Layout, Relation } from './layouts.ts';

export interface Subject {
  readonly what: Concept | Creature;
  readonly style: Style;
  readonly effect: Effect | null;
  readonly ground: Background | PlaceName;
  readonly layout: Layout;
  /** The colour that the drawing has instead of its own. */
  readonly hue: string | null;
}

const FILLERS = {
  adjectives:
    'cute beautiful lovely funny cool nice pretty adorable awesome amazing epic magical colorful fluffy modern friendly'.split(
      ' ',
    ),
  before: ['draw', 'please draw', 'make', 'create', 'show me', 'i want', 'picture of', 'image of'],
  after: [
    'high quality',
    '4k',
    'hd',
    'masterpiece',
    'digital art',
    'please',
    'best quality',
    'award winning',
  ],
};
const SYLLABLES = 'ba cro di el fu gri ha jo ki lu mo ni or pla qui ri stu ta ve wi xa yo zu'.split(' ');
const CREATURE_NOUNS = ['monster', 'creature', 'mascot'] as const;
const NUMBERS = ['', 'one', 'two', 'three', 'four'];

const RELATION_WORDS: Readonly<Record<Relation, readonly string[]>> = {
  'next to': ['next to', 'next to', 'beside', 'and'],
  above: ['above', 'above', 'over'],
  on: ['on', 'on top of'],
  under: ['under', 'under', 'below'],
};
const SIZES = { big: ['big', 'large', 'huge'], tiny: ['tiny', 'very small'] } as const;

/**
 * A caption for the picture, by the configuration's shares; never empty.
 *
 * @param names every word for a concept: "books" can't stand for two of "book" if it names something else
 */
export function writeCaption(
  subject: Subject,
  shares: CaptionShares,
  names: ReadonlySet<string>,
  random: ExampleRandom,
): string {
  const short = random.chance(shares.short);
  const extra = random.chance(shares.filler ?? 0)
    ? random.pick(['adjective', 'before', 'after'] as const)
    : '';
  const adjectives = [
    ...(extra === 'adjective' ? [random.pick(FILLERS.adjectives)] : []),
    ...(random.chance(shares.unknown ?? 0) ? [madeUpWord(random)] : []),
  ];
  const caption = new CaptionWriter(subject, shares, names, random, adjectives).write(short);
  if (extra === 'before') return `${random.pick(FILLERS.before)} ${caption}`;
  return extra === 'after' ? `${caption}, ${random.pick(FILLERS.after)}` : caption;
}

/** The prompt for judging: a fixed form that names everything. */
export function judgePrompt(concept: Concept, style: Style, background: Background, hue?: string): string {
  const word = hue === undefined ? concept.word : `${hue} ${concept.word}`;
  return `${nounPhrase(concept, word, style.word)} on ${withArticle(background.name)} background`;
}

const madeUpWord = (random: ExampleRandom): string =>
  Array.from({ length: random.pick([2, 3]) }, () => random.pick(SYLLABLES)).join('');

/** Every word that a caption can have besides names, styles, backgrounds and made-up words. */
export const captionWords: readonly string[] = [
  'a an the of on in to and emoji background style in a row small',
  ...FILLERS.adjectives,
  ...FILLERS.before,
  ...FILLERS.after,
  ...NUMBERS,
  ...Object.values(RELATION_WORDS).flat(),
  ...Object.values(SIZES).flat(),
  ...Object.values(EFFECT_WORDS).flatMap(({ media, word }) => [word, ...media]),
  ...Object.values(PLACE_PHRASES).flat(),
  ...MOODS,
  ...HATS,
  ...CREATURE_COLOURS,
  ...CREATURE_NOUNS,
  'with wearing hat eye eyes eyed',
];

const isConcept = (what: Concept | Creature): what is Concept => 'hex' in what;

class CaptionWriter {
  readonly #subject: Subject;
  readonly #shares: CaptionShares;
  readonly #names: ReadonlySet<string>;
  readonly #random: ExampleRandom;
  readonly #adjectives: readonly string[];

  constructor(
    subject: Subject,
    shares: CaptionShares,
    names: ReadonlySet<string>,
    random: ExampleRandom,
    adjectives: readonly string[],
  ) {
    this.#subject = subject;
    this.#shares = shares;
    this.#names = names;
    this.#random = random;
    this.#adjectives = adjectives;
  }

  write(short: boolean): string {
    const { layout } = this.#subject;
    switch (layout.kind) {
      case 'corner':
      case 'count':
      case 'pair':
        return this.#arranged(layout, short);
      case 'single':
      case 'wearing':
      case 'sized':
        return this.#alone(layout, short);
    }
  }

  /** One subject: a word or a sentence about it. */
  #alone(layout: Extract<Layout, { kind: 'single' | 'wearing' | 'sized' }>, short: boolean): string {
    const { style, effect } = this.#subject;
    const random = this.#random;
    const size = layout.kind === 'sized' ? random.pick(SIZES[layout.size]) : '';
    const named = this.#name(size);
    const suffix = layout.kind === 'wearing' ? this.#wearing(layout.what) : named.suffix;
    const look = effect ? EFFECT_WORDS[effect].word : style.word;
    const media = effect ? EFFECT_WORDS[effect].media : (style.media ?? []).map(withArticle);
    const plain = named.phrase('') + suffix;
    const styled = named.phrase(look) + suffix;
    const medium = media.length > 0 ? random.pick(media) : undefined;
    const made = medium === undefined ? styled : `${medium} of ${plain}`;
    const ground = this.#ground();
    // An effect is always named: nothing else about the picture tells it.
    if (effect) return short ? random.pick([styled, made]) : random.pick([styled, made, made]) + ground;
    return short
      ? random.pick([
          named.word + suffix,
          plain,
          `${named.word} emoji`,
          styled,
          made,
          plain + ground,
          `${named.word}${suffix}${this.#shortGround()}`,
        ])
      : random.pick([
          styled + ground,
          styled + ground,
          styled + ground,
          `${look} ${named.word}${suffix}${ground}`,
          `${look} emoji of ${plain}${ground}`,
          `${plain} in ${look} style${ground}`,
          made + ground,
        ]);
  }

  #arranged(layout: Extract<Layout, { kind: 'corner' | 'count' | 'pair' }>, short: boolean): string {
    const { style, hue, what } = this.#subject;
    const random = this.#random;
    const look = short && random.chance(0.5) ? '' : style.word;
    const ground = short && look !== '' ? '' : this.#ground();
    switch (layout.kind) {
      case 'corner':
        return `${this.#name('small').phrase(look)} in the ${layout.where}${ground}`;
      case 'count': {
        const word = isConcept(what) ? what.word : CREATURE_NOUNS[0];
        const several = plural(word);
        const uncounted = short && !this.#names.has(several) && random.chance(0.2);
        const number = uncounted ? '' : at(NUMBERS, layout.count);
        const words = [number, ...this.#adjectives, look, hue ?? '', several].filter((x) => x !== '');
        return `${words.join(' ')}${number === '' || (short && random.chance(0.5)) ? '' : ' in a row'}${ground}`;
      }
      case 'pair': {
        const { other, relation } = layout;
        const second = nounPhrase(other, this.#wordOf(other));
        return `${this.#name('').phrase(look)} ${random.pick(RELATION_WORDS[relation])} ${second}${ground}`;
      }
    }
  }

  /** The subject's word, and its noun phrase with one more adjective in front. */
  #name(size: string): { word: string; suffix: string; phrase: (look: string) => string } {
    const { what, hue } = this.#subject;
    const front = [size, ...this.#adjectives];
    const join = (...words: readonly (string | null)[]): string =>
      words.filter((one) => one !== null && one !== '').join(' ');
    if (!isConcept(what)) {
      const { adjectives, noun, suffix } = this.#creature(what);
      const phrase = (look: string): string => withArticle(join(...front, look, ...adjectives, noun));
      return { word: join(...front, ...adjectives, noun), suffix, phrase };
    }
    const word = join(hue, this.#wordOf(what));
    const phrase = (look: string): string => nounPhrase(what, word, join(...front, look));
    return { word: join(...front, word), suffix: '', phrase };
  }

  #wordOf({ word, also = [] }: Concept): string {
    return also.length > 0 && this.#random.chance(this.#shares.synonym) ? this.#random.pick(also) : word;
  }

  #creature({ colour, eyes, mood, hat }: Creature) {
    const random = this.#random;
    const counted = random.unit();
    const adjectives = [
      ...(random.chance(0.6) ? [mood] : []),
      ...(random.chance(0.85) ? [colour] : []),
      ...(counted < 0.2 ? [`${NUMBERS[eyes]}-eyed`] : []),
    ];
    const eyesWords =
      counted >= 0.2 && counted < 0.7 ? [`${NUMBERS[eyes]} ${eyes === 1 ? 'eye' : 'eyes'}`] : [];
    const hatWords =
      hat && random.chance(0.75) ? [random.chance(0.3) && hat !== 'crown' ? 'a hat' : withArticle(hat)] : [];
    const parts = [...eyesWords, ...hatWords];
    const suffix = parts.length === 0 ? '' : ` with ${parts.join(' and ')}`;
    return { adjectives, noun: random.pick(CREATURE_NOUNS), suffix };
  }

  #wearing(what: Concept): string {
    const phrase = nounPhrase(what, this.#wordOf(what));
    return ` ${this.#random.pick(['with', 'with', 'wearing', 'in'])} ${phrase}`;
  }

  #ground(): string {
    const { ground } = this.#subject;
    return typeof ground === 'string'
      ? this.#random.pick(PLACE_PHRASES[ground])
      : this.#random.pick([
          ` on ${withArticle(ground.name)} background`,
          ` on ${withArticle(ground.name)} background`,
          `, ${ground.name} background`,
        ]);
  }

  #shortGround(): string {
    const { ground } = this.#subject;
    return typeof ground === 'string' ? this.#ground() : ` on ${ground.name}`;
  }
}

/** The regular English plural, enough for concepts that take an article. */
export function plural(word: string): string {
  if (/[^aeiou]y$/.test(word)) return `${word.slice(0, -1)}ies`;
  return /(s|x|ch|sh)$/.test(word) ? `${word}es` : `${word}s`;
}
