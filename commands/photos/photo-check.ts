/**
 * @file Checks a photo by decoding it, never by its name, and encodes it again: Krona stores an upright 8-bit sRGB PNG
 * without metadata (no place, time or camera).
 */
import sharp, { type Metadata } from 'sharp';
import { KronaError } from '../../core/errors.ts';

/** Largest file, bytes. */
export const MAX_PHOTO_BYTES = 32 * 1024 * 1024;
/** Most pixels, by the header, before anything is decoded: a small file can contain a huge image. */
const MAX_PHOTO_PIXELS = 64_000_000;
/** Shortest side, pixels. */
const MIN_PHOTO_SIDE = 64;
/** Longest side of the stored photo, pixels. */
const STORED_PHOTO_SIDE = 2048;

/** Longest time to decode one file. */
const DECODE_SECONDS = 30;

const FORMATS = ['jpeg', 'png', 'webp', 'gif', 'tiff', 'heif'];
const WANTED = 'send a PNG, JPEG, WebP, GIF or AVIF file';

interface CheckedPhoto {
  readonly png: Buffer;
  readonly width: number;
  readonly height: number;
  /** Changes that the sender should know about, such as that only the first frame is kept. */
  readonly notes: readonly string[];
}

function damaged(name: string, format: string, cause: unknown): KronaError {
  return new KronaError(
    'PHOTO_DAMAGED',
    `${name} is damaged or incomplete: it starts as ${format}, but can’t be read to the end. Send it again.`,
    { cause },
  );
}

/** Opens an image of any size, as `checkSize` has better messages, and fails on damage. */
function open(bytes: Uint8Array) {
  return sharp(bytes, { limitInputPixels: false, failOn: 'error', sequentialRead: true });
}

/** First bytes of formats whose decoder doesn't report the format of an incomplete file. */
const SIGNATURES: readonly (readonly [string, RegExp])[] = [
  ['GIF', /^GIF8[79]a/],
  ['WebP', /^RIFF[^]{4}WEBP/],
  ['TIFF', /^(II\*\0|MM\0\*)/],
  ['JPEG', /^\xff\xd8\xff/],
  ['PNG', /^\x89PNG\r\n/],
];

async function readHeader(bytes: Uint8Array, name: string): Promise<Metadata> {
  let header: Metadata;
  const start = Buffer.from(bytes.subarray(0, 32)).toString('latin1');
  if (/^[^]{4}ftyp(hei[cxms]|hev[cxms])/.test(start))
    throw new KronaError(
      'PHOTO_NOT_IMAGE',
      `${name} is in Apple’s HEIC format, which Krona can’t read. Send it as JPEG.`,
    );
  try {
    header = await open(bytes).metadata();
  } catch (cause) {
    const format = SIGNATURES.find(([, signature]) => signature.test(start))?.[0];
    if (format !== undefined) throw damaged(name, format, cause);
    throw new KronaError('PHOTO_NOT_IMAGE', `${name} is not a readable image; ${WANTED}.`, {
      cause,
    });
  }
  if (!FORMATS.includes(header.format))
    throw new KronaError('PHOTO_NOT_IMAGE', `${name} is ${header.format}, not a photo; ${WANTED}.`);
  return header;
}

function checkSize(header: Metadata, name: string): void {
  const { width } = header;
  const height = header.pageHeight ?? header.height;
  const size = `${width}×${height}`;
  if (width * height > MAX_PHOTO_PIXELS)
    throw new KronaError(
      'PHOTO_TOO_LARGE',
      `${name} has ${size} pixels; at most ${MAX_PHOTO_PIXELS / 1e6} megapixels are allowed. Send a smaller copy.`,
    );
  const [short, long] = [Math.min(width, height), Math.max(width, height)];
  if (short < MIN_PHOTO_SIDE)
    throw new KronaError(
      'PHOTO_TOO_SMALL',
      `${name} has ${size} pixels; the shorter side must have at least ${MIN_PHOTO_SIDE}. Send a larger copy.`,
    );
  if ((short * STORED_PHOTO_SIDE) / long < MIN_PHOTO_SIDE)
    throw new KronaError('PHOTO_TOO_NARROW', `${name} has ${size} pixels, which is too narrow. Crop it.`);
}

/**
 * Checks one file and encodes it again.
 *
 * @param name - the file's name, for messages
 * @throws KronaError PHOTO_EMPTY, PHOTO_TOO_LARGE, PHOTO_NOT_IMAGE, PHOTO_TOO_SMALL, PHOTO_TOO_NARROW, PHOTO_DAMAGED
 */
export async function checkPhoto(bytes: Uint8Array, name: string): Promise<CheckedPhoto> {
  if (bytes.length === 0) throw new KronaError('PHOTO_EMPTY', `${name} has 0 bytes; ${WANTED}.`);
  if (bytes.length > MAX_PHOTO_BYTES) throw tooManyBytes(name, bytes.length);
  const header = await readHeader(bytes, name);
  checkSize(header, name);
  try {
    const { data, info } = await open(bytes)
      .autoOrient()
      .resize({
        width: STORED_PHOTO_SIDE,
        height: STORED_PHOTO_SIDE,
        fit: 'inside',
        withoutEnlargement: true,
      })
      .toColourspace('srgb')
      .png({ compressionLevel: 6, adaptiveFiltering: false, palette: false })
      .timeout({ seconds: DECODE_SECONDS })
      .toBuffer({ resolveWithObject: true });
    const notes = (header.pages ?? 1) > 1 ? ['only the first frame of the animation is kept'] : [];
    return { png: data, width: info.width, height: info.height, notes };
  } catch (cause) {
    throw damaged(name, header.format.toUpperCase(), cause);
  }
}

/** The error for a file that is too large, by its declared or actual size. */
export function tooManyBytes(name: string, size: number): KronaError {
  const mebibytes = (bytes: number): number => Math.ceil(bytes / 1024 ** 2);
  return new KronaError(
    'PHOTO_TOO_LARGE',
    `${name} has ${mebibytes(size)} MiB; at most ${mebibytes(MAX_PHOTO_BYTES)} MiB are allowed. Send a smaller copy.`,
  );
}
