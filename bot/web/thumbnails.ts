/** @file Small copies of the photos that came with a message. */
import { Picture } from '../../core/pictures/picture.ts';
import type { BlobStore } from '../../storage/blobs/contract.ts';
import type { SaidPhoto } from './protocol.ts';
import type { Upload } from '../uploads.ts';

/** Edge of a small copy, pixels: 96 on the page, sharp on a dense screen. */
const EDGE = 192;

/** Stores small copies; a file that is no picture has none, and the command says so. */
export async function thumbnails(uploads: readonly Upload[], blobs: BlobStore): Promise<SaidPhoto[]> {
  const photos: SaidPhoto[] = [];
  for (const { fileName: name, path } of uploads) {
    // One after the other, to keep memory low.
    const small = await smallCopy(path, name).catch(() => null);
    photos.push({ name, thumb: small === null ? null : (await blobs.put(small)).hash });
  }
  return photos;
}

async function smallCopy(path: string, name: string): Promise<Buffer> {
  const photo = await Picture.open(path, name);
  const { data } = await photo.render((image) =>
    image.rotate().resize(EDGE, EDGE, { fit: 'cover' }).webp({ quality: 80 }),
  );
  return data;
}
