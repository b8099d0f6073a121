/**
 * @file Files to upload with a message, within Discord's limits. A file's name identifies its content, so that an edit
 * sends only new files; pictures over the limit become WebP, smaller until they fit.
 */
import type { CardFile, CardPicture } from '../../commands/card.ts';
import { Picture } from '../../core/pictures/picture.ts';
import type { BlobStore } from '../../storage/blobs/contract.ts';

const MIB = 1024 ** 2;
/** Bytes of one file, by default. */
export const DEFAULT_LIMIT = 10 * MIB;
/** Bytes of all files of one request, with room for the rest of it; 25 MiB are refused. */
export const REQUEST_LIMIT = 24 * MIB;

export interface UploadFile {
  /** Unique in the message, from the content: the same name is the same file. */
  readonly name: string;
  /** Alt text, at most 1024 characters. */
  readonly description?: string;
  readonly load: () => Promise<Uint8Array>;
}

/** Re-encodes a picture so that it takes at most `most` bytes. */
async function shrunk(bytes: Uint8Array, most: number): Promise<Buffer> {
  const picture = await Picture.open(bytes, 'The picture');
  const { width } = picture.header;
  for (let scale = 1; ;) {
    const side = Math.max(64, Math.round(width * scale));
    const { data: small } = await picture.render((image) =>
      image.resize({ width: side, withoutEnlargement: true }).webp({ quality: 88 }),
    );
    if (small.length <= most || width * scale <= 64) return small;
    // Bytes grow with the area.
    scale *= 0.95 * Math.sqrt(most / small.length);
  }
}

/**
 * The pictures of one message, at most 10, as files. Those whose blob is gone are left out.
 *
 * @param limit - bytes of one file
 * @param room - bytes of all of them
 */
export async function pictureFiles(
  pictures: readonly CardPicture[],
  blobs: BlobStore,
  limit: number,
  room: number,
): Promise<{ readonly picture: CardPicture; readonly file: UploadFile }[]> {
  const found = [];
  for (const picture of pictures) {
    const info = await blobs.stat(picture.blobHash);
    if (info !== null) found.push({ picture, size: info.size });
  }
  const total = found.reduce((sum, { size }) => sum + size, 0);
  const share = Math.min(limit, Math.floor(room / Math.max(1, found.length)));
  return found.map(({ picture, size }, index) => {
    const whole = size <= limit && total <= room;
    // The index keeps two pictures with the same bytes apart.
    const stem = `${index + 1}-${picture.blobHash.slice(0, 12)}`;
    return {
      picture,
      file: {
        name: whole ? `${stem}.png` : `${stem}-${share}.webp`,
        description: picture.alt.slice(0, 1024),
        load: async () => {
          const bytes = await blobs.get(picture.blobHash);
          return whole ? bytes : shrunk(bytes, share);
        },
      },
    };
  });
}

/** A file name with only letters, digits and `._-`: Discord changes others, and references to the file would fail. */
const safeName = (name: string): string => name.replace(/[^\w.-]+/g, '_');

/** A card's file to upload; null when it was deleted or has more than `most` bytes. */
export async function cardFile(
  { name, blobHash }: CardFile,
  blobs: BlobStore,
  most: number,
): Promise<(UploadFile & { readonly size: number }) | null> {
  const info = await blobs.stat(blobHash);
  if (info === null || info.size > most) return null;
  return { name: safeName(name), size: info.size, load: () => blobs.get(blobHash) };
}
