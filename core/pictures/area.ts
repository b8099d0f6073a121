/**
 * @file The part of a picture to draw anew: a mask that a member drew, what is transparent, or what a word says; or the part
 * that a larger picture has around it.
 */
import type { Sharp } from 'sharp';
import { KronaError } from '../errors.ts';
import { forBorderMask } from './border-mask.ts';
import { cutOut } from './cut-out.ts';
import { fromPixels } from './encode.ts';
import { Picture } from './picture.ts';
import { widened, type Mask } from './soft-mask.ts';

/** Words for parts of a picture. The last two make it larger, and the part is what is new. */
export const AREAS = [
  'left',
  'right',
  'top',
  'bottom',
  'middle',
  'subject',
  'background',
  'wider',
  'zoom-out',
] as const;
export type Area = (typeof AREAS)[number];

/** A picture file, with its name for messages. */
interface NamedPicture {
  readonly name: string;
  /** Path, or bytes. */
  readonly source: string | Uint8Array;
}

/** An opaque picture and its mask of the same size, white where it is drawn anew. */
export interface PictureArea {
  readonly picture: Buffer;
  readonly mask: Buffer;
  readonly width: number;
  readonly height: number;
}

/** From here on, of 255, a pixel is white or opaque. */
const HALF = 128;
/** Tolerated relative difference between the shapes of a picture and its mask. */
const SAME_SHAPE = 0.02;
/** How much larger a picture becomes in each direction that it grows in. */
const GROWTH = 1.5;
/** How far these parts reach beyond what was found, as shares of the picture's longer side: nothing of the old edge stays. */
const MARGIN = { subject: 1 / 48, background: 1 / 96 } as const;

/**
 * @param area a mask, or a word; null: what is transparent
 * @throws KronaError MASK_MISSING, MASK_UNFIT, MASK_EMPTY, MASK_WHOLE, PHOTO_*
 */
export async function areaOf(file: NamedPicture, area: Area | NamedPicture | null): Promise<PictureArea> {
  const picture = await Picture.open(file.source, file.name);
  if (area === 'wider') return enlarged(picture, GROWTH, 1);
  if (area === 'zoom-out') return enlarged(picture, GROWTH, GROWTH);
  const part = await maskOf(picture, file.name, area);
  const { width, height } = part;
  checkArea(part.mask);
  const { data } = await picture.render((image) => opaque(image).png());
  return { picture: data, mask: await maskPng(part), width, height };
}

function maskOf(picture: Picture, name: string, area: Area | NamedPicture | null): Promise<Mask> {
  if (area === null) return transparent(picture, name);
  if (typeof area !== 'string') return drawn(picture, name, area);
  if (area === 'subject' || area === 'background') return subjectOf(picture, name, area);
  const { width, height } = picture;
  return Promise.resolve(painted(width, height, HALVES[area] ?? (() => false)));
}

/** What each word covers, by place as shares of width and height. */
const HALVES: Readonly<Partial<Record<Area, (x: number, y: number) => boolean>>> = {
  left: (x) => x < 0.5,
  right: (x) => x >= 0.5,
  top: (_, y) => y < 0.5,
  bottom: (_, y) => y >= 0.5,
  middle: (x, y) => Math.abs(x - 0.5) < 0.3 && Math.abs(y - 0.5) < 0.3,
};

const opaque = (image: Sharp): Sharp =>
  image.autoOrient().flatten({ background: 'white' }).toColourspace('srgb').removeAlpha();

const maskPng = ({ width, height, mask }: Mask): Promise<Buffer> =>
  fromPixels(mask, { width, height, channels: 1 }).toColourspace('b-w').png().toBuffer();

function painted(width: number, height: number, isInside: (x: number, y: number) => boolean): Mask {
  const mask = new Uint8Array(width * height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      if (isInside((x + 0.5) / width, (y + 0.5) / height)) mask[y * width + x] = 255;
  return { width, height, mask };
}

/** @throws KronaError MASK_EMPTY, MASK_WHOLE */
function checkArea(mask: Uint8Array): void {
  if (!mask.includes(255))
    throw new KronaError(
      'MASK_EMPTY',
      'The mask is black everywhere, so nothing would change. Make it white where to draw again.',
    );
  if (!mask.includes(0))
    throw new KronaError(
      'MASK_WHOLE',
      'The mask covers the whole picture. To draw all of it again, send the picture with `/krona imagine`.',
    );
}

/** The opacity of a picture, 8 bits a pixel. */
async function opacityOf(picture: Picture): Promise<Uint8Array> {
  const { data } = await picture.render((image) =>
    image.autoOrient().ensureAlpha().extractChannel(3).raw({ depth: 'uchar' }),
  );
  return data;
}

const isTransparent = (opacity: Uint8Array): boolean => opacity.some((value) => value < HALF);

async function transparent(picture: Picture, name: string): Promise<Mask> {
  const opacity = picture.header.hasAlpha ? await opacityOf(picture) : new Uint8Array();
  if (!isTransparent(opacity))
    throw new KronaError(
      'MASK_MISSING',
      `${name} has no transparent part. Say where to draw again, such as \`where:background\`, or send a mask.`,
    );
  const { width, height } = picture;
  return { width, height, mask: opacity.map((value) => (value < HALF ? 255 : 0)) };
}

/** A mask that a member drew: transparent where it has transparent parts, else white. @throws KronaError MASK_UNFIT */
async function drawn(picture: Picture, name: string, file: NamedPicture): Promise<Mask> {
  const { width, height } = picture;
  const mask = await Picture.open(file.source, file.name);
  const stretch = (width * mask.height) / (height * mask.width);
  if (Math.abs(stretch - 1) > SAME_SHAPE)
    throw new KronaError(
      'MASK_UNFIT',
      `${file.name} has ${mask.width}×${mask.height} pixels, a different shape from ${name} with ${width}×${height}. ` +
        'Send a mask of the same shape.',
    );
  const hasHoles = mask.header.hasAlpha && isTransparent(await opacityOf(mask));
  const { data } = await mask.render((image) => {
    const upright = image.autoOrient();
    const grey = hasHoles
      ? upright.extractChannel(3).negate()
      : upright.flatten({ background: 'black' }).toColourspace('b-w').extractChannel(0);
    return grey
      .resize(width, height, { fit: 'fill', kernel: 'linear' })
      .extractChannel(0)
      .raw({ depth: 'uchar' });
  });
  return { width, height, mask: data.map((value) => (value >= HALF ? 255 : 0)) };
}

/** A subject by the picture's transparency, or on a background of one colour. @throws KronaError MASK_MISSING */
async function subjectOf(picture: Picture, name: string, what: 'subject' | 'background'): Promise<Mask> {
  const { width, height } = picture;
  const own = picture.header.hasAlpha ? await opacityOf(picture) : new Uint8Array();
  const opacity = isTransparent(own) ? own : await cutOpacity(picture, name);
  const inside = opacity.map((value) => (value >= HALF ? 255 : 0));
  const side = Math.max(width, height);
  if (what === 'subject')
    return { width, height, mask: await widened({ width, height, mask: inside }, MARGIN.subject * side) };
  const mask = inside.map((value) => 255 - value);
  return { width, height, mask: await widened({ width, height, mask }, MARGIN.background * side) };
}

async function cutOpacity(picture: Picture, name: string): Promise<Uint8Array> {
  const { data: pixels, info } = await picture.render((image) =>
    forBorderMask(image).raw({ depth: 'uchar' }),
  );
  const cut = cutOut({ width: info.width, height: info.height, pixels });
  if (cut === null)
    throw new KronaError(
      'MASK_MISSING',
      `The background of ${name} has more than one colour, so Krona can’t tell the subject from it. ` +
        'Choose another part, such as `where:left`, or send a mask.',
    );
  return fromPixels(cut.alpha, { width: info.width, height: info.height, channels: 1 })
    .resize(picture.width, picture.height, { fit: 'fill', kernel: 'linear' })
    .extractChannel(0)
    .raw()
    .toBuffer();
}

/** The picture in the middle of a larger one, which continues its edges. */
async function enlarged(picture: Picture, wide: number, high: number): Promise<PictureArea> {
  const { width, height } = picture;
  const [left, top] = [(width * (wide - 1)) / 2, (height * (high - 1)) / 2].map(Math.round);
  const [beside = 0, above = 0] = [left, top];
  const size = { width: width + 2 * beside, height: height + 2 * above };
  const { data } = await picture.render((image) =>
    opaque(image)
      .extend({ left: beside, right: beside, top: above, bottom: above, extendWith: 'mirror' })
      .png(),
  );
  const mask = new Uint8Array(size.width * size.height).fill(255);
  for (let y = above; y < above + height; y++)
    mask.fill(0, y * size.width + beside, y * size.width + beside + width);
  return { picture: data, mask: await maskPng({ ...size, mask }), ...size };
}
