/** @file The bytes of a photo that a platform keeps, read no further than the limit of photos. */
import { MAX_PHOTO_BYTES, tooManyBytes } from '../commands/photos/photo-check.ts';

/**
 * Reads a response's body.
 *
 * @param name - of the file, for the error
 * @throws KronaError of `tooManyBytes` as soon as there are too many
 */
export async function readPhotoBytes(body: ReadableStream<Uint8Array>, name: string): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader = body.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    size += part.value.length;
    if (size > MAX_PHOTO_BYTES) {
      await reader.cancel();
      throw tooManyBytes(name, size);
    }
    chunks.push(part.value);
  }
  return Buffer.concat(chunks);
}
