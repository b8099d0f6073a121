/** @file Chooses what a training picture shows, by the configuration's shares, never a held-out combination. */
import { at } from '../../core/at.ts';
import type { Subject } from './captions.ts';
import type { PlacedSprite } from './composite.ts';
import type { Background, PretrainData } from './concepts.ts';
import { EFFECTS, withEffect, type Effect } from './effects.ts';
import type { ExampleRandom } from './example-random.ts';
import { drawPlace, FLOORS, PLACES, type Ground, type PlaceName } from './grounds.ts';
import { hashName, isHeldOut, isHeldOutHue } from './held-out.ts';
import { cornerNames, placeSprites, RELATIONS, type Layout } from './layouts.ts';
import { otherHues, recoloured, type Hue } from './recolour.ts';
import type { TrainingArt } from './sampler.ts';
import type { Sprite } from './sprites.ts';

export interface Scene {
  readonly subject: Subject;
  /** Indices into the configuration's lists. */
  readonly concept: number;
  readonly style: number;
  /** Of a plain colour; null for a place. */
  readonly background: number | null;
  readonly ground: Ground;
  readonly placed: readonly PlacedSprite[];
}

/** The scene of an example. */
export function drawScene(art: TrainingArt, random: ExampleRandom): Scene {
  const { data } = art;
  const { placement } = data;
  const single = { layout: { kind: 'single' } } as const;
  if (art.creatures.length > 0 && random.chance(placement.creatures ?? 0)) {
    const { creature, sprite } = random.pick(art.creatures);
    const ground = drawGround(art, null, single.layout, random);
    const flat = Math.max(
      0,
      data.styles.findIndex(({ set }) => set === 'twemoji'),
    );
    return finished(
      art,
      { ...ground, ...single, concept: 0, style: flat, other: 0 },
      creature,
      sprite,
      random,
    );
  }
  const concept = Math.floor(random.unit() * data.concepts.length);
  const style = Math.floor(random.unit() * data.styles.length);
  const drawn = drawLayout(art, concept, random);
  const dominant = at(at(art.hues, concept), style);
  const hue =
    drawn.layout.kind === 'pair' || dominant === null ? null : drawHue(art, concept, dominant, random);
  const background =
    hue === null || drawn.background === null
      ? drawn.background
      : otherThan(hue, drawn.background, art, concept, random);
  const sprite = at(at(art.sprites, concept), style);
  const coloured = hue === null || dominant === null ? sprite : recoloured(sprite, dominant, hue);
  const effect =
    drawn.layout.kind === 'single' && random.chance(placement.effects ?? 0) ? random.pick(EFFECTS) : null;
  const own = effect ? withEffect(coloured, effect, random) : coloured;
  const chosen = { ...drawn, background, concept, style, hue: hue?.name ?? null, effect };
  return finished(art, chosen, at(data.concepts, concept), own, random);
}

/** What was chosen, before it is placed. */
interface Chosen {
  readonly layout: Layout;
  readonly concept: number;
  readonly style: number;
  readonly other: number;
  readonly background: number | null;
  readonly place: PlaceName | null;
  readonly hue?: string | null;
  readonly effect?: Effect | null;
}

function finished(
  art: TrainingArt,
  chosen: Chosen,
  what: Subject['what'],
  own: Sprite,
  random: ExampleRandom,
): Scene {
  const { data } = art;
  const { layout, concept, style, background, place, hue = null, effect = null } = chosen;
  const plain = background === null ? null : at(data.backgrounds, background);
  const floor = place === null || layout.kind === 'sized' ? null : FLOORS[place];
  const placed = placeSprites(art, chosen, own, random, floor);
  return {
    subject: { what, style: at(data.styles, style), effect, layout, hue, ground: plain ?? place! },
    concept,
    style,
    background,
    ground: plain ? jitter(plain, data.backgroundJitter, random) : drawPlace(place!, data.size, random),
    placed,
  };
}

/** Chooses layout, second concept and ground. */
function drawLayout(
  art: TrainingArt,
  concept: number,
  random: ExampleRandom,
): Pick<Chosen, 'layout' | 'other' | 'background' | 'place'> {
  const { data } = art;
  const { corners, counts, pairs, wearing = 0, sizes = 0 } = data.placement;
  const subject = at(data.concepts, concept);
  const alone = (layout: Layout) => ({ layout, other: concept, ...drawGround(art, concept, layout, random) });
  const kind = random.unit();
  let limit = corners;
  if (kind < limit) return alone({ kind: 'corner', where: random.pick(cornerNames) });
  if (kind < (limit += counts) && !subject.noArticle)
    return alone({ kind: 'count', count: random.chance(0.5) ? 2 : 3 });
  if (kind >= limit && kind < (limit += pairs)) {
    const pair = drawPair(art, concept, random);
    if (pair) return pair;
  }
  if (kind >= limit && kind < (limit += wearing)) {
    const fitting = wearablesFor(data, concept);
    if (fitting.length > 0) return alone(random.pick(fitting));
  }
  if (kind >= limit && kind < limit + sizes)
    return alone({ kind: 'sized', size: random.chance(0.5) ? 'big' : 'tiny' });
  return alone({ kind: 'single' });
}

function drawPair(art: TrainingArt, concept: number, random: ExampleRandom) {
  const { data, allowed } = art;
  const other = Math.floor(random.unit() * data.concepts.length);
  const both = at(allowed, concept).filter((background) => at(allowed, other).includes(background));
  if (other === concept || both.length === 0 || isHeldOutPair(data, concept, other)) return null;
  const layout: Layout = {
    kind: 'pair',
    relation: drawRelation(data, random),
    other: at(data.concepts, other),
  };
  return { layout, other, background: random.pick(both), place: null };
}

/** Configurations without the newer layouts know two relations only. */
const drawRelation = ({ placement }: PretrainData, random: ExampleRandom) =>
  random.pick(placement.sizes ? [...RELATIONS, ...RELATIONS.slice(0, 2)] : RELATIONS.slice(0, 2));

/** What a concept can wear: anything but itself and other things to wear; glasses only on faces. */
function wearablesFor(data: PretrainData, concept: number): Layout[] {
  const wearables = data.wearables ?? [];
  const { hex, face, noArticle } = at(data.concepts, concept);
  if (noArticle || wearables.some((one) => one.hex === hex)) return [];
  return wearables.flatMap((worn): Layout[] => {
    const what = data.concepts.find((one) => one.hex === worn.hex);
    return what && (worn.where === 'head' || face) ? [{ kind: 'wearing', worn, what }] : [];
  });
}

/** A plain background that the concept may have, or a place. @param concept null: a creature, which may have all */
function drawGround(
  { data, allowed }: TrainingArt,
  concept: number | null,
  layout: Layout,
  random: ExampleRandom,
): Pick<Chosen, 'background' | 'place'> {
  const inPlace = layout.kind === 'single' || layout.kind === 'wearing';
  if (inPlace && random.chance(data.placement.places ?? 0)) {
    const place = random.pick(PLACES);
    if (concept === null || !isHeldOut(data, at(data.concepts, concept), { name: place }))
      return { background: null, place };
  }
  const backgrounds = concept === null ? [...data.backgrounds.keys()] : at(allowed, concept);
  return { background: random.pick(backgrounds), place: null };
}

/** Another colour for a drawing of the hue `dominant`, or null to keep it; never a held-out one. */
function drawHue(
  { data }: TrainingArt,
  concept: number,
  dominant: number,
  random: ExampleRandom,
): Hue | null {
  if (!random.chance(data.placement.recolours)) return null;
  const hues = otherHues(dominant).filter(
    ({ name }) => !isHeldOutHue(data, at(data.concepts, concept), name),
  );
  return hues.length === 0 ? null : random.pick(hues);
}

/** The background, or another one if it has the drawing's colour. */
function otherThan(
  hue: Hue,
  background: number,
  { data, allowed }: TrainingArt,
  concept: number,
  random: ExampleRandom,
): number {
  return at(data.backgrounds, background).name === hue.name
    ? random.pick(at(allowed, concept).filter((index) => index !== background))
    : background;
}

/** Backgrounds that a concept can be trained on, as indices. */
export const allowedBackgrounds = (data: PretrainData): number[][] =>
  data.concepts.map((concept) =>
    data.backgrounds.flatMap((background, index) => (isHeldOut(data, concept, background) ? [] : [index])),
  );

/** True for held-out pairs of concepts. */
export function isHeldOutPair(data: PretrainData, a: number, b: number): boolean {
  const hexes = [at(data.concepts, a).hex, at(data.concepts, b).hex].sort().join('+');
  return hashName(hexes) % data.heldOut.modulus === 0;
}

function jitter({ rgb }: Background, amount: number, random: ExampleRandom): [number, number, number] {
  const move = (value: number) => Math.max(0, Math.min(255, value + random.between(-amount, amount)));
  return [move(rgb[0]), move(rgb[1]), move(rgb[2])];
}
