/**
 * @file The one place through which every encoded picture goes that is decoded, from any sender: by its content only,
 * within limits on what decoding takes, within a time, and few at once. docs/dependencies.md lets nothing else use sharp.
 */
import { constants } from 'node:fs';
import { open as openFile, readFile, stat } from 'node:fs/promises';
import sharp, { type Metadata, type OutputInfo, type Sharp } from 'sharp';
import { KronaError } from '../errors.ts';
import { Slots } from '../slots.ts';
import { canHaveFrames, firstFrame } from './first-frame.ts';
import { formatOf, HEAD_BYTES } from './picture-format.ts';
import { withoutTexts } from './png-texts.ts';

/** Most pixels of a frame, by the header, before anything is decoded: a small file can contain a huge image. */
const MAX_PIXELS = 64_000_000;
/** Most bytes of a decoded frame: width × height × channels × depth. */
const MAX_FRAME_BYTES = 256 * 1024 ** 2;
/** Most pixels of a frame of AVIF, of which the decoder keeps 20 bytes a pixel. */
const MAX_AVIF_PIXELS = 24_000_000;
/** Largest file, bytes. */
const MAX_FILE_BYTES = 512 * 1024 ** 2;
/** Longest that decoding and what follows may take, s. */
const LONGEST = 20;
/** Pictures decoded at once in this process. */
const slots = new Slots(2);

const WANTED = 'send a PNG, JPEG, WebP, GIF, TIFF or AVIF file';

/** An encoded picture whose header was read and found within the limits. */
export class Picture {
  readonly #source: string | Uint8Array;
  readonly #name: string;
  readonly header: Metadata;
  /** The file has further frames or pages, which are cut off. */
  readonly hasFrames: boolean;

  private constructor(source: string | Uint8Array, name: string, header: Metadata, hasFrames: boolean) {
    this.#source = source;
    this.#name = name;
    this.header = header;
    this.hasFrames = hasFrames;
  }

  /** Pixels of a frame, upright. */
  get width(): number {
    return this.header.autoOrient.width;
  }

  /** Pixels of a frame, upright. */
  get height(): number {
    return this.header.autoOrient.height;
  }

  /**
   * Reads the header.
   *
   * @param source - path or bytes
   * @param name - as the giver knows it, for messages
   * @throws KronaError PHOTO_UNREADABLE, PHOTO_NOT_IMAGE, PHOTO_DAMAGED, PHOTO_TOO_LARGE, PHOTO_SLOW
   */
  static async open(source: string | Uint8Array, name: string): Promise<Picture> {
    const head = typeof source === 'string' ? await readHead(source, name) : source;
    const format = formatOf(head);
    if (format === null) throw notImage(`${name} is not a readable image; ${WANTED}.`);
    if (format.kind === 'photo') throw unreadable(name, format.name);
    if (format.kind === 'other') throw notImage(`${name} is ${format.name}, not a photo; ${WANTED}.`);
    const isPng = format.name === 'png';
    const whole =
      typeof source === 'string' && (isPng || canHaveFrames(format.name))
        ? await readWhole(source, name)
        : source;
    const first = typeof whole === 'string' ? null : firstFrame(format.name, whole);
    const plain = isPng && typeof whole !== 'string' ? withoutTexts(whole) : null;
    const readable = first ?? plain ?? source;
    const header = await inTurn(name, format.name, () =>
      sharp(readable, { limitInputPixels: false, failOn: 'error' }).metadata(),
    );
    if (header.compression === 'hevc') throw unreadable(name, 'HEIC');
    checkLimits(header, name);
    return new Picture(readable, name, header, first !== null);
  }

  /**
   * Decodes the first frame and runs a pipeline on it, when its turn comes.
   *
   * @throws KronaError PHOTO_DAMAGED, PHOTO_SLOW
   */
  render(pipeline: (image: Sharp) => Sharp): Promise<{ data: Buffer; info: OutputInfo }> {
    return inTurn(this.#name, this.header.format, () =>
      pipeline(sharp(this.#source, { limitInputPixels: MAX_PIXELS, failOn: 'error' }))
        .timeout({ seconds: LONGEST })
        .toBuffer({ resolveWithObject: true }),
    );
  }
}

/** Uses less memory and one core: for a process in which decoding is not the main thing. */
export function decodeSparingly(): void {
  // Pictures are decoded once, so there is nothing to cache, and the other cores belong to the worker.
  sharp.cache(false);
  sharp.concurrency(1);
}

/** @throws KronaError PHOTO_TOO_LARGE; the error of node:fs */
async function readWhole(path: string, name: string): Promise<Uint8Array> {
  const { size } = await stat(path);
  if (size <= MAX_FILE_BYTES) return readFile(path);
  throw tooLarge(
    `${name} has ${Math.ceil(size / 1024 ** 2)} MiB; at most ${MAX_FILE_BYTES / 1024 ** 2} MiB are allowed. Use a smaller copy.`,
  );
}

/** @throws KronaError PHOTO_UNREADABLE */
async function readHead(path: string, name: string): Promise<Uint8Array> {
  // Without NONBLOCK opening a named pipe waits for its writer.
  const file = await openFile(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((cause: unknown) => {
    throw unopened(name, cause);
  });
  try {
    if (!(await file.stat()).isFile()) throw unopened(name);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** Bytes of a channel's value, by sharp's names of depths. */
const DEPTHS: Readonly<Record<string, number>> = { uchar: 1, ushort: 2 };

function checkLimits(header: Metadata, name: string): void {
  const { width, channels, depth, format } = header;
  const bytesEach = DEPTHS[depth];
  // White is 1 in some files of fractions and anything in others, so they could become black.
  if (bytesEach === undefined)
    throw notImage(
      `${name} holds ${depth} numbers, whose black and white are not known. Save it with 8 or 16 bits a channel.`,
    );
  const height = header.pageHeight ?? header.height;
  const most = format === 'heif' ? MAX_AVIF_PIXELS : MAX_PIXELS;
  if (width * height > most)
    throw tooLarge(
      `${name} has ${width}×${height} pixels; at most ${most / 1e6} megapixels are allowed. Send a smaller copy.`,
    );
  const bytes = width * height * channels * bytesEach;
  if (bytes > MAX_FRAME_BYTES)
    throw tooLarge(
      `${name} takes ${Math.ceil(bytes / 1024 ** 2)} MiB when it is decoded; at most ${MAX_FRAME_BYTES / 1024 ** 2} MiB are allowed. ` +
        'Send a smaller copy with 8 bits a channel.',
    );
}

/** Does decoding work when its turn comes, and waits no longer for it than the limit and a little. */
async function inTurn<T>(name: string, format: string, begin: () => Promise<T>): Promise<T> {
  const { work } = await slots.start(begin);
  let late: NodeJS.Timeout | undefined;
  const over = new Promise<never>((_, reject) => {
    late = setTimeout(() => reject(slow(name)), (LONGEST + 2) * 1_000);
  });
  try {
    return await Promise.race([work, over]);
  } catch (error) {
    if (error instanceof KronaError) throw error;
    if (error instanceof Error && error.message.startsWith('timeout')) throw slow(name, error);
    throw damaged(name, format, error);
  } finally {
    clearTimeout(late);
  }
}

function damaged(name: string, format: string, cause: unknown): KronaError {
  return new KronaError(
    'PHOTO_DAMAGED',
    `${name} is damaged or incomplete: it starts as ${format === 'webp' ? 'WebP' : format.toUpperCase()}, but can’t be read to the end. Send it again.`,
    { cause },
  );
}

function slow(name: string, cause?: unknown): KronaError {
  return new KronaError(
    'PHOTO_SLOW',
    `${name} takes more than ${LONGEST} s to decode. Save it again as a plain PNG or JPEG, or send a smaller copy.`,
    { cause },
  );
}

const unopened = (name: string, cause?: unknown): KronaError =>
  new KronaError(
    'PHOTO_UNREADABLE',
    `${name} can’t be opened. Check that there is such a file, and that Krona may read it.`,
    { cause },
  );
const tooLarge = (message: string): KronaError => new KronaError('PHOTO_TOO_LARGE', message);
const notImage = (message: string): KronaError => new KronaError('PHOTO_NOT_IMAGE', message);
const unreadable = (name: string, format: string): KronaError =>
  notImage(`${name} is ${format}, which Krona can’t read. Send it as JPEG or PNG.`);
