/**
 * @file The prompts that a model is measured with, and real pictures of the same: training drawings composed as in
 * training. All are held out: single concepts on backgrounds they never had, pairs never shown together, positions and
 * numbers on such backgrounds too. Kinds that a configuration doesn't train are omitted.
 */
import { at } from '../../core/at.ts';
import { compositePicture } from '../pretrain/composite.ts';
import { withArticle } from '../../core/format.ts';
import { nounPhrase, type Concept, type PretrainData } from '../pretrain/concepts.ts';
import { judgePrompt, plural } from '../pretrain/captions.ts';
import { hashName, isHeldOutHue } from '../pretrain/held-out.ts';
import { heldOutPrompts } from '../pretrain/judge.ts';
import { ExampleRandom } from '../pretrain/example-random.ts';
import { otherHues, recoloured, type Hue } from '../pretrain/recolour.ts';
import { corners, placeSprites, type Shown } from '../pretrain/layouts.ts';
import type { TrainingArt } from '../pretrain/sampler.ts';
import { isHeldOutPair } from '../pretrain/scene.ts';

export const ASKED_KINDS = ['single', 'pair', 'corner', 'count', 'recolour'] as const;
export type AskedKind = (typeof ASKED_KINDS)[number];

export interface AskedPicture extends Shown {
  readonly kind: AskedKind;
  readonly prompt: string;
  /** Index of the background. */
  readonly background: number;
  /** A colour other than the drawing's own. */
  readonly hue?: Hue;
}

/** Number of prompts of each kind. */
export type AskedCounts = Readonly<Record<AskedKind, number>>;

/**
 * Returns the prompts in a fixed order; fewer than `counts` if there are no more. @param judged whether a concept can
 * be judged
 */
export function askedPictures(
  art: TrainingArt,
  counts: AskedCounts,
  judged: (concept: number) => boolean,
): AskedPicture[] {
  const { data } = art;
  const { placement } = data;
  const singles = heldOutPrompts(data, counts.single).map((asked): AskedPicture => ({
    ...asked,
    kind: 'single',
    layout: { kind: 'single' },
    other: asked.concept,
  }));
  return [
    ...singles,
    ...(placement.pairs > 0 ? heldOutPairs(data, counts.pair, judged) : []),
    ...(placement.corners > 0 ? inCorners(data, counts.corner) : []),
    ...(placement.counts > 0 ? inRows(data, counts.count) : []),
    ...(placement.recolours > 0 ? recolours(art, counts.recolour) : []),
  ];
}

/** The real picture of a prompt: [3, size, size] in [-1, 1]. @param index its number, which decides the layout */
export function realPicture(art: TrainingArt, asked: AskedPicture, index: number): Float32Array {
  const { size, backgrounds } = art.data;
  const sprite = at(at(art.sprites, asked.concept), asked.style);
  const own = asked.hue
    ? recoloured(sprite, at(at(art.hues, asked.concept), asked.style)!, asked.hue)
    : sprite;
  const placed = placeSprites(art, asked, own, new ExampleRandom(hashName('real pictures'), index));
  return compositePicture(size, at(backgrounds, asked.background).rgb, placed);
}

function heldOutPairs(
  data: PretrainData,
  count: number,
  judged: (concept: number) => boolean,
): AskedPicture[] {
  const known = [...data.concepts.keys()].filter(judged);
  const pairs = known.flatMap((a) =>
    known.filter((b) => a < b && isHeldOutPair(data, a, b)).map((b) => [a, b] as const),
  );
  const order = ([a, b]: readonly [number, number]) =>
    hashName(`judge ${at(data.concepts, a).hex}+${at(data.concepts, b).hex}`);
  return pairs
    .sort((x, y) => order(x) - order(y))
    .slice(0, count)
    .map(([concept, other], index) => {
      const style = index % data.styles.length;
      const background = index % data.backgrounds.length;
      const relation = index % 2 === 0 ? 'next to' : 'above';
      const [first, second] = [at(data.concepts, concept), at(data.concepts, other)];
      const prompt = `${styled(data, first, style)} ${relation} ${nounPhrase(second)}${ground(data, background)}`;
      return {
        kind: 'pair',
        prompt,
        concept,
        other,
        style,
        background,
        layout: { kind: 'pair', relation, other: second },
      };
    });
}

function inCorners(data: PretrainData, count: number): AskedPicture[] {
  const names = Object.keys(corners);
  return heldOutPrompts(data, count).map(({ concept, style, background }, index) => {
    const where = at(names, index % names.length);
    const named = at(data.concepts, concept);
    const adjective = `small ${at(data.styles, style).word}`;
    const prompt = `${nounPhrase(named, named.word, adjective)} in the ${where}${ground(data, background)}`;
    return {
      kind: 'corner',
      prompt,
      concept,
      other: concept,
      style,
      background,
      layout: { kind: 'corner', where },
    };
  });
}

function inRows(data: PretrainData, count: number): AskedPicture[] {
  return heldOutPrompts(data, 4 * count)
    .filter(({ concept }) => !at(data.concepts, concept).noArticle)
    .slice(0, count)
    .map(({ concept, style, background }, index) => {
      const number = index % 2 === 0 ? 2 : 3;
      const words = `${number === 2 ? 'two' : 'three'} ${at(data.styles, style).word}`;
      const prompt = `${words} ${plural(at(data.concepts, concept).word)} in a row${ground(data, background)}`;
      const layout = { kind: 'count', count: number } as const;
      return { kind: 'count', prompt, concept, other: concept, style, background, layout };
    });
}

/** Concepts in a colour that they were never trained in, for drawings with one dominant colour. */
function recolours(art: TrainingArt, count: number): AskedPicture[] {
  const { data } = art;
  return heldOutPrompts(data, 12 * count)
    .flatMap(({ concept, style, background }): AskedPicture[] => {
      const [named, ground] = [at(data.concepts, concept), at(data.backgrounds, background)];
      const dominant = at(at(art.hues, concept), style);
      const hue =
        dominant === null
          ? undefined
          : otherHues(dominant).find(({ name }) => isHeldOutHue(data, named, name));
      if (!hue || hue.name === ground.name) return [];
      const prompt = judgePrompt(named, at(data.styles, style), ground, hue.name);
      const layout = { kind: 'single' } as const;
      return [{ kind: 'recolour', prompt, concept, other: concept, style, background, layout, hue }];
    })
    .slice(0, count);
}

const styled = (data: PretrainData, concept: Concept, style: number): string =>
  nounPhrase(concept, concept.word, at(data.styles, style).word);

const ground = (data: PretrainData, background: number): string =>
  ` on ${withArticle(at(data.backgrounds, background).name)} background`;
