/** @file Checks that photos allow the chosen mask, before a run is queued. */
import type { BlobStore } from '../../storage/blobs/contract.ts';
import { KronaError } from '../../core/errors.ts';
import { forBorderMask } from '../../core/pictures/border-mask.ts';
import { cutOut } from '../../core/pictures/cut-out.ts';
import { Picture } from '../../core/pictures/picture.ts';
import type { Photo } from '../../core/records.ts';
import type { TrainSettings } from '../../core/settings/schema.ts';
import { plain } from '../cards/format.ts';

/** What photos need for a mask. */
const NEEDED = {
  alpha: 'transparency',
  border: 'a border of one colour',
} as const;

async function has(need: keyof typeof NEEDED, png: Uint8Array): Promise<boolean> {
  const photo = await Picture.open(png, 'A photo');
  if (need === 'alpha') return photo.header.hasAlpha;
  const { data: pixels, info } = await photo.render((image) => forBorderMask(image).raw({ depth: 'uchar' }));
  return cutOut({ width: info.width, height: info.height, pixels }) !== null;
}

/** @throws KronaError MASK_MISSING with the photos that don't allow the mask */
export async function checkMasks(
  mask: TrainSettings['mask'],
  photos: readonly Pick<Photo, 'fileName' | 'blobHash'>[],
  blobs: BlobStore,
): Promise<void> {
  if (mask !== 'alpha' && mask !== 'border') return;
  const without: string[] = [];
  for (const { fileName, blobHash } of photos)
    if ((await blobs.stat(blobHash)) && !(await has(mask, await blobs.get(blobHash)))) without.push(fileName);
  if (without.length === 0) return;
  throw new KronaError(
    'MASK_MISSING',
    `\`mask:${mask}\` needs photos with ${NEEDED[mask]}, but ${without.map((name) => plain(name)).join(', ')} ` +
      `${without.length === 1 ? 'has' : 'have'} none. Use \`mask:auto\`, which uses what each photo has, or \`mask:off\`.`,
  );
}
