/**
 * @file The drawings that judges are trained on and subjects are made of: emoji sets that no UNet is trained on, with
 * the same concepts in other styles. Their packages have no code points, so concepts are found by Unicode's names.
 */
import { readFile } from 'node:fs/promises';
import { at } from '../../core/at.ts';
import { artFile, openIconSet } from '../pretrain/icon-set.ts';
import { renderSprite, type Sprite } from '../pretrain/sprites.ts';
import { KronaError } from '../../core/errors.ts';

export const JUDGE_SETS = ['emojione', 'noto-v1', 'fxemoji', 'streamline-emojis'] as const;
export type JudgeSet = (typeof JUDGE_SETS)[number];

/** Attribution and source of each set. */
export const JUDGE_SET_NOTICES: Readonly<
  Record<JudgeSet, { readonly notice: string; readonly source: string }>
> = {
  emojione: {
    notice: 'Emoji One 2, © Ranks.com Inc. and EmojiTwo contributors, CC BY 4.0',
    source: 'https://github.com/EmojiTwo/emojitwo',
  },
  'noto-v1': {
    notice: 'Noto Emoji 1, © Google Inc, Apache License 2.0',
    source: 'https://github.com/googlefonts/noto-emoji',
  },
  fxemoji: {
    notice: 'Firefox OS Emoji, © Mozilla, CC BY 4.0 (its code: Apache License 2.0)',
    source: 'https://github.com/mozilla/fxemoji',
  },
  'streamline-emojis': {
    notice: 'Streamline Emojis, © Streamline, CC BY 4.0',
    source: 'https://github.com/webalys-hq/streamline-vectors',
  },
};

const judgePackage = (set: JudgeSet): string => `@iconify-json/${set}`;

/** A Markdown list item per set. */
export const judgeSetNotices = (): string[] =>
  JUDGE_SETS.map((set) => {
    const { notice, source } = JUDGE_SET_NOTICES[set];
    return `- ${notice}. Source: ${source}; package: ${judgePackage(set)}`;
  });

/** An emoji of the word list: code points as in the training sets, and Unicode's name. */
export interface NamedEmoji {
  readonly hex: string;
  readonly label: string;
}

/** The 1,103 emoji that have a drawing in at least three training sets. */
export async function namedEmoji(): Promise<NamedEmoji[]> {
  const text = await readFile(new URL('../pretrain/data/emoji-words.tsv', import.meta.url), 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line) => line.split('\t'))
    .map(([hex, label]) => ({ hex: hex!, label: label! }));
}

export interface JudgeArt {
  /** The SVG of an emoji in a set, by Unicode's name; undefined if the set lacks it. */
  svg(set: JudgeSet, label: string): Buffer | undefined;
  /** The sets that have it, in the order of JUDGE_SETS. */
  setsWith(label: string): JudgeSet[];
  /** `emojione 1.2.3` for each set, as installed. */
  readonly versions: readonly string[];
}

/** @throws KronaError PRETRAIN_ART_MISSING when a package is not installed */
export async function openJudgeArt(): Promise<JudgeArt> {
  const opened = await Promise.all(
    JUDGE_SETS.map(async (set) => {
      const icons = await openIconSet(judgePackage(set));
      const names = new Map(icons.names.map((name) => [plainName(name), name]));
      const manifest = JSON.parse(await readFile(artFile(judgePackage(set), 'package.json'), 'utf8')) as {
        version: string;
      };
      return { icons, names, version: manifest.version };
    }),
  );
  const opening = (set: JudgeSet) => at(opened, JUDGE_SETS.indexOf(set));
  const svg = (set: JudgeSet, label: string): Buffer | undefined => {
    const { icons, names } = opening(set);
    return icons.svg(names.get(plainName(label)) ?? '');
  };
  return {
    svg,
    setsWith: (label) => JUDGE_SETS.filter((set) => opening(set).names.has(plainName(label))),
    versions: JUDGE_SETS.map((set) => `${judgePackage(set)} ${opening(set).version}`),
  };
}

/** @throws KronaError PRETRAIN_ART_MISSING */
export async function judgeSprite(art: JudgeArt, set: JudgeSet, label: string): Promise<Sprite> {
  const svg = art.svg(set, label);
  if (!svg) throw new KronaError('PRETRAIN_ART_MISSING', `${set} has no drawing of “${label}”.`);
  return renderSprite(svg);
}

/** Sets write names with hyphens, as one word or as Unicode does; only letters and digits agree. */
export function plainName(name: string): string {
  return name
    .normalize('NFKD')
    .toLowerCase()
    .replaceAll('&', 'and')
    .replace(/[^a-z0-9]/g, '');
}
