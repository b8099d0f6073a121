/**
 * @file Photos of a subject made anew: the subject is cut out, turned and resized a little, and put on a ground of one
 * colour, so that training tells the subject from what is around it.
 */
import sharp, { type OutputInfo } from 'sharp';
import { at } from '../at.ts';
import type { KeyedRandom } from '../random.ts';
import { forBorderMask, MASK_SIDE } from './border-mask.ts';
import { cutOut, withoutBackground } from './cut-out.ts';
import { fromPixels } from './encode.ts';
import type { Picture } from './picture.ts';
import { visibleBox } from './visible-box.ts';

type Colour = readonly [number, number, number];

/** Colours with plain names, which are also the grounds of the embedded model's training pictures. */
export const GROUNDS: readonly { readonly name: string; readonly rgb: Colour }[] = [
  { name: 'white', rgb: [248, 248, 248] },
  { name: 'black', rgb: [20, 20, 20] },
  { name: 'gray', rgb: [128, 128, 128] },
  { name: 'red', rgb: [220, 45, 45] },
  { name: 'orange', rgb: [245, 135, 30] },
  { name: 'yellow', rgb: [250, 215, 50] },
  { name: 'lime', rgb: [165, 225, 45] },
  { name: 'green', rgb: [40, 150, 60] },
  { name: 'teal', rgb: [0, 130, 130] },
  { name: 'cyan', rgb: [75, 215, 230] },
  { name: 'blue', rgb: [45, 105, 225] },
  { name: 'navy', rgb: [25, 35, 95] },
  { name: 'purple', rgb: [125, 60, 175] },
  { name: 'pink', rgb: [250, 150, 195] },
  { name: 'brown', rgb: [115, 70, 40] },
  { name: 'beige', rgb: [235, 215, 180] },
];

/** A subject without its surroundings. */
export interface CutSubject {
  readonly width: number;
  readonly height: number;
  /** RGBA, 8 bits, no larger than what is visible. */
  readonly rgba: Uint8Array;
  /** Name of the ground that it stood on, if it was of one colour. */
  readonly ground: string | null;
}

/** Cuts by the picture's own transparency, or along a border of one colour; null where it has neither. */
export async function cutSubject(picture: Picture): Promise<CutSubject | null> {
  if (picture.header.hasAlpha) {
    const { data, info } = await picture.render((image) =>
      image
        .autoOrient()
        .resize(MASK_SIDE, MASK_SIDE, { fit: 'inside', withoutEnlargement: true })
        .toColourspace('srgb')
        .ensureAlpha()
        .raw({ depth: 'uchar' }),
    );
    if (data.some((value, i) => i % 4 === 3 && value < 128)) return trimmed(info, data, null);
  }
  const { data: pixels, info } = await picture.render((image) =>
    forBorderMask(image).raw({ depth: 'uchar' }),
  );
  const shown = { width: info.width, height: info.height, pixels };
  const cut = cutOut(shown);
  return cut && trimmed(info, withoutBackground(shown, cut), nameOf(cut.background));
}

/** Sizes of a subject's longer side, as shares of the picture's shorter one. */
const SIDES = [0.66, 0.94] as const;
/** Standard deviation of its turn, degrees. */
const TURN = 5;

/**
 * The subject on a ground, somewhere in the picture and whole.
 *
 * @returns RGB, 8 bits, and the ground's name
 */
export async function onGround(
  { width, height, rgba }: CutSubject,
  size: { readonly width: number; readonly height: number },
  random: KeyedRandom,
): Promise<{ pixels: Uint8Array; ground: string }> {
  const { name, rgb } = at(GROUNDS, random.integer(GROUNDS.length));
  const side = Math.min(size.width, size.height) * (SIDES[0] + (SIDES[1] - SIDES[0]) * random.uniform());
  const turned = await fromPixels(rgba, { width, height, channels: 4 })
    .rotate(TURN * random.normal(), { background: '#00000000' })
    .png()
    .toBuffer();
  const { data, info } = await sharp(turned)
    .resize(Math.round(side), Math.round(side), { fit: 'inside' })
    .png()
    .toBuffer({ resolveWithObject: true });
  const place = (free: number): number => Math.round(free * random.uniform());
  const [red, green, blue] = rgb;
  const pixels = await sharp({ create: { ...size, channels: 3, background: { r: red, g: green, b: blue } } })
    .composite([{ input: data, left: place(size.width - info.width), top: place(size.height - info.height) }])
    .removeAlpha()
    .raw()
    .toBuffer();
  return { pixels, ground: name };
}

/** The visible part; null where nothing is. */
function trimmed(
  { width, height }: Pick<OutputInfo, 'width' | 'height'>,
  rgba: Uint8Array,
  ground: string | null,
): CutSubject | null {
  const box = visibleBox(width, height, (pixel) => rgba[4 * pixel + 3] !== 0);
  if (box === null) return null;
  const own = new Uint8Array(4 * box.width * box.height);
  for (let y = 0; y < box.height; y++) {
    const from = 4 * ((box.top + y) * width + box.left);
    own.set(rgba.subarray(from, from + 4 * box.width), 4 * y * box.width);
  }
  return { width: box.width, height: box.height, rgba: own, ground };
}

/** The ground nearest to a colour. */
function nameOf(colour: Colour): string {
  const distance = ({ rgb }: { readonly rgb: Colour }): number =>
    rgb.reduce((sum, value, i) => sum + (value - at(colour, i)) ** 2, 0);
  return at(
    GROUNDS.toSorted((a, b) => distance(a) - distance(b)),
    0,
  ).name;
}
