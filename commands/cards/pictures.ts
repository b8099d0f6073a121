/** @file Pictures on cards, and the results of the safety check. */
import type { HeldPicture, Picture } from '../../core/records.ts';
import type { CardPicture } from '../card.ts';
import { percent } from '../../core/format.ts';

/** Returns a picture for a card; adult (NSFW) images are hidden. */
export function onCard({
  id,
  blobHash,
  sensitive,
}: Picture): Pick<CardPicture, 'id' | 'blobHash' | 'sensitive'> {
  return { id, blobHash, ...(sensitive && { sensitive }) };
}

/** Returns a paragraph about pictures that are held back; none when there are none. */
export function heldText(held: readonly Pick<HeldPicture, 'unsafe'>[]): string[] {
  if (held.length === 0) return [];
  const sure = held.map(({ unsafe }) => percent(unsafe)).join(', ');
  const what =
    held.length === 1
      ? '**1 picture was held back**: the safety check rates it as an adult (NSFW) image'
      : `**${held.length} pictures were held back**: the safety check rates them as adult (NSFW) images`;
  return [`${what} (${sure}). Moderators can change this with \`/krona rules set safety:\`.`];
}
