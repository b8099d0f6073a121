/** @file Small copies of the photos that came with a message. */
import sharp from 'sharp';
import type { BlobStore } from '../../storage/blobs/contract.ts';
import type { SaidPhoto } from './protocol.ts';
import type { Upload } from './uploads.ts';

/** Edge of a small copy, pixels: 96 on the page, sharp on a dense screen. */
const EDGE = 192;
/** Pixels of the largest picture that a small copy is made of. */
const MOST_PIXELS = 64_000_000;

/** Stores small copies; a file that is no picture has none, and the command says so. */
export async function thumbnails(uploads: readonly Upload[], blobs: BlobStore): Promise<SaidPhoto[]> {
  const photos: SaidPhoto[] = [];
  for (const { fileName: name, path } of uploads) {
    // One after the other, to keep memory low.
    const small = await sharp(path, { limitInputPixels: MOST_PIXELS })
      .rotate()
      .resize(EDGE, EDGE, { fit: 'cover' })
      .webp({ quality: 80 })
      .toBuffer()
      .catch(() => null);
    photos.push({ name, thumb: small === null ? null : (await blobs.put(small)).hash });
  }
  return photos;
}
