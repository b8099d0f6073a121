/**
 * @file Cuts all frames but the first from a file, before any decoder sees it: libvips looks through every frame for the
 * header alone, and for WebP each from the start, so that 5 MB of tiny frames took it 19 s.
 */

/**
 * Returns a file with its first frame only; null when it has no others, or is too damaged to tell.
 *
 * @param format - by sharp's names
 */
export function firstFrame(format: string, file: Uint8Array): Buffer | null {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  try {
    return CUT[format]?.(bytes) ?? null;
  } catch (error) {
    // It ends in the middle of a length: the decoder says so.
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/** Whether files of a format can have further frames. */
export const canHaveFrames = (format: string): boolean => format in CUT;

const CUT: Readonly<Record<string, (bytes: Buffer) => Buffer | null>> = {
  webp: firstOfWebp,
  gif: firstOfGif,
  tiff: firstOfTiff,
  heif: firstOfAvif,
};

/** RIFF chunks; each frame is an `ANMF` (https://developers.google.com/speed/webp/docs/riff_container). */
function firstOfWebp(bytes: Buffer): Buffer | null {
  for (let at = 12; at + 8 <= bytes.length;) {
    const size = bytes.readUInt32LE(at + 4);
    const end = at + 8 + size + (size % 2);
    if (bytes.toString('latin1', at, at + 4) !== 'ANMF') {
      at = end;
      continue;
    }
    if (end >= bytes.length) return null;
    const first = Buffer.from(bytes.subarray(0, end));
    first.writeUInt32LE(end - 8, 4);
    return first;
  }
  return null;
}

const GIF = { extension: 0x21, image: 0x2c, end: 0x3b } as const;

/** Blocks of sub-blocks; each frame begins with an image descriptor (GIF89a specification, §20). */
function firstOfGif(bytes: Buffer): Buffer | null {
  const colours = (flags: number): number => (flags & 0x80 ? 3 << ((flags & 7) + 1) : 0);
  const afterBlocks = (at: number): number => {
    let end = at;
    while (bytes.readUInt8(end) !== 0) end += 1 + bytes.readUInt8(end);
    return end + 1;
  };
  let at = 13 + colours(bytes.readUInt8(10));
  while (bytes.readUInt8(at) === GIF.extension) at = afterBlocks(at + 2);
  if (bytes.readUInt8(at) !== GIF.image) return null;
  const end = afterBlocks(at + 11 + colours(bytes.readUInt8(at + 9)));
  if (bytes.readUInt8(end) === GIF.end) return null;
  return Buffer.concat([bytes.subarray(0, end), Buffer.of(GIF.end)]);
}

/** A chain of directories, each with the place of the next; 0 ends it (TIFF 6.0, section 2; BigTIFF has 64 bits). */
function firstOfTiff(bytes: Buffer): Buffer | null {
  const little = bytes.toString('latin1', 0, 2) === 'II';
  const u16 = (at: number): number => (little ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at));
  const u32 = (at: number): number => (little ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at));
  const u64 = (at: number): number => Number(little ? bytes.readBigUInt64LE(at) : bytes.readBigUInt64BE(at));
  const big = u16(2) === 43;
  const directory = big ? u64(8) : u32(4);
  const next = big ? directory + 8 + 20 * u64(directory) : directory + 2 + 12 * u16(directory);
  const isLast = (big ? u64(next) : u32(next)) === 0;
  return isLast ? null : Buffer.from(bytes).fill(0, next, next + (big ? 8 : 4));
}

/** An animated AVIF holds its first frame as a picture too, but libvips opens it only under the name of a still one. */
function firstOfAvif(bytes: Buffer): Buffer | null {
  if (bytes.toString('latin1', 4, 12) !== 'ftypavis') return null;
  const still = Buffer.from(bytes);
  still.write('avif', 8, 'latin1');
  return still;
}
