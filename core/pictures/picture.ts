/**
 * @file The one place through which every encoded picture goes that is decoded, from any sender: by its content only,
 * within limits on what decoding takes, within a time, and few at once. docs/dependencies.md lets nothing else use sharp.
 */
import { open as openFile, readFile } from 'node:fs/promises';
import sharp, { type Metadata, type OutputInfo, type Sharp } from 'sharp';
import { KronaError } from '../errors.ts';
import { Slots } from '../slots.ts';
import { formatOf, HEAD_BYTES, isAnimatedAvif } from './picture-format.ts';

/** Most pixels of a frame, by the header, before anything is decoded: a small file can contain a huge image. */
const MAX_PIXELS = 64_000_000;
/** Most bytes of a decoded frame: width × height × channels × depth. */
const MAX_FRAME_BYTES = 256 * 1024 ** 2;
/** Most bytes of all frames. Only the first is decoded, but some decoders look through all. */
const MAX_BYTES = 16 * MAX_FRAME_BYTES;
/** Longest that decoding and what follows may take, s. */
const LONGEST = 20;
/** Pictures decoded at once in this process. */
const slots = new Slots(2);

const WANTED = 'send a PNG, JPEG, WebP, GIF or AVIF file';

/** An encoded picture whose header was read and found within the limits. */
export class Picture {
  readonly #source: string | Uint8Array;
  readonly #name: string;
  readonly header: Metadata;

  private constructor(source: string | Uint8Array, name: string, header: Metadata) {
    this.#source = source;
    this.#name = name;
    this.header = header;
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
   * @throws KronaError PHOTO_NOT_IMAGE, PHOTO_DAMAGED, PHOTO_TOO_LARGE, PHOTO_SLOW; the error of node:fs for a path
   */
  static async open(source: string | Uint8Array, name: string): Promise<Picture> {
    const head = typeof source === 'string' ? await readHead(source) : source;
    const format = formatOf(head);
    if (format === null) throw notImage(`${name} is not a readable image; ${WANTED}.`);
    if (format.name === 'HEIC') throw heic(name);
    if (!format.decoded) throw notImage(`${name} is ${format.name}, not a photo; ${WANTED}.`);
    const readable = isAnimatedAvif(head) ? await firstFrame(source) : source;
    const header = await inTurn(name, format.name, () =>
      sharp(readable, { limitInputPixels: false, failOn: 'error' }).metadata(),
    );
    if (header.compression === 'hevc') throw heic(name);
    checkLimits(header, name);
    return new Picture(readable, name, header);
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

/** An animated AVIF holds its first frame as a picture too, but libvips opens it only under the name of a still one. */
async function firstFrame(source: string | Uint8Array): Promise<Uint8Array> {
  const bytes = Buffer.from(typeof source === 'string' ? await readFile(source) : source);
  bytes.write('avif', 8, 'latin1');
  return bytes;
}

async function readHead(path: string): Promise<Uint8Array> {
  const file = await openFile(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** Bytes of a channel's value, by sharp's names of depths. */
const DEPTHS: Readonly<Record<string, number>> = {
  uchar: 1,
  char: 1,
  ushort: 2,
  short: 2,
  uint: 4,
  int: 4,
  float: 4,
  complex: 8,
  double: 8,
  dpcomplex: 16,
};

function checkLimits(header: Metadata, name: string): void {
  const { width, channels, depth, pages = 1 } = header;
  const height = header.pageHeight ?? header.height;
  if (width * height > MAX_PIXELS)
    throw tooLarge(
      `${name} has ${width}×${height} pixels; at most ${MAX_PIXELS / 1e6} megapixels are allowed. Send a smaller copy.`,
    );
  const frame = width * height * channels * (DEPTHS[depth] ?? 16);
  const [bytes, most] = frame > MAX_FRAME_BYTES ? [frame, MAX_FRAME_BYTES] : [frame * pages, MAX_BYTES];
  if (bytes > most)
    throw tooLarge(
      `${name} takes ${Math.ceil(bytes / 1024 ** 2)} MiB when it is decoded; at most ${most / 1024 ** 2} MiB are allowed. ` +
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

const tooLarge = (message: string): KronaError => new KronaError('PHOTO_TOO_LARGE', message);
const notImage = (message: string): KronaError => new KronaError('PHOTO_NOT_IMAGE', message);
const heic = (name: string): KronaError =>
  notImage(`${name} is in Apple’s HEIC format, which Krona can’t read. Send it as JPEG.`);
