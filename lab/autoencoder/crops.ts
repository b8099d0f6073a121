/**
 * @file The crops that the autoencoder is trained on, by number: example `index` of `seed` is always the same picture.
 */
import type { Bank } from './drawings.ts';
import { composite, type PlacedSprite } from '../pretrain/composite.ts';
import type { Background } from '../pretrain/concepts.ts';
import { ExampleRandom } from '../pretrain/example-random.ts';
import type { Sprite } from '../pretrain/sprites.ts';

/** Side of the pictures that crops are taken from, pixels. */
const SIZE = 128;

/** Shares of the kinds of crops; the rest is one drawing, as in the model's pictures. */
const SHARES = { wild: 0.25, small: 0.15, field: 0.15 };
/** Share of generated drawings. */
const FIGURES = 0.3;
/** Share of photos among the fields, if there are any. */
const PHOTOS = 0.5;
/** Share of the backgrounds that aren't a plain colour. */
const BUSY = 0.15;

/**
 * Crop `index` of `seed`: a part of a drawing, several turned ones, a small whole one, or a field.
 *
 * @param into receives [3,side,side] in [-1, 1] at `offset`
 */
export function sampleAutoencoderCrop(
  bank: Bank,
  backgrounds: readonly Background[],
  seed: number,
  index: number,
  side: number,
  into: Float32Array,
  offset = 0,
): void {
  const random = new ExampleRandom(seed, index);
  const window = { left: 0, top: 0, width: side, height: side };
  const kind = random.unit();
  const drawing = (): Sprite => random.pick(random.chance(FIGURES) ? bank.figures : bank.drawings);
  const { wild, small, field } = SHARES;
  if (kind < field) {
    composite(into, offset, window, [0, 0, 0], [fieldOver(bank, side, random)]);
    return;
  }
  const ground = random.chance(BUSY) ? [fieldOver(bank, side, random)] : [];
  const rgb = groundColour(backgrounds, random);
  const place = (least: number, most: number, reach: number, turn: number): PlacedSprite => {
    const around = (): number => side / 2 + random.between(-reach, reach);
    return {
      sprite: drawing(),
      x: around(),
      y: around(),
      side: random.between(least, most),
      angle: random.between(-turn, turn),
      mirror: random.chance(0.4),
    };
  };
  const placed =
    kind < field + wild
      ? Array.from({ length: 2 + Math.floor(random.unit() * 3) }, () =>
          place(0.3 * SIZE, 1.3 * SIZE, 0.6 * side, Math.PI),
        )
      : kind < field + wild + small
        ? [place(0.5 * side, side, 0.08 * side, 0.3)]
        : [place(0.6 * SIZE, 1.1 * SIZE, 0.55 * side, random.chance(0.2) ? 0.3 : 0)];
  composite(into, offset, window, rgb, [...ground, ...placed]);
}

/** A field that covers the whole crop. */
function fieldOver({ fields, photos }: Bank, side: number, random: ExampleRandom): PlacedSprite {
  const from = photos.length > 0 && random.chance(PHOTOS) ? photos : fields;
  const wide = random.between(1.25, 2) * side;
  const reach = wide / 2 - side / 2 - wide * 0.04;
  const around = (): number => side / 2 + random.between(-reach, reach);
  return {
    sprite: random.pick(from),
    x: around(),
    y: around(),
    side: wide,
    angle: 0,
    mirror: random.chance(0.5),
  };
}

/** One of the model's backgrounds, or any colour. */
function groundColour(
  backgrounds: readonly Background[],
  random: ExampleRandom,
): readonly [number, number, number] {
  const level = (): number => Math.floor(random.unit() * 256);
  return random.chance(0.6) ? random.pick(backgrounds).rgb : [level(), level(), level()];
}
