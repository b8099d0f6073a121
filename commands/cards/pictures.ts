/** @file What cards say of pictures and the safety check. */
import type { HeldPicture, Picture } from '../../core/records.ts';
import type { CardPicture } from '../card.ts';
import { counted } from './format.ts';

/** A picture of ours on a card, hidden where it was found to be for adults alone. */
export function onCard({
  id,
  blobHash,
  sensitive,
}: Picture): Pick<CardPicture, 'id' | 'blobHash' | 'sensitive'> {
  return { id, blobHash, ...(sensitive && { sensitive }) };
}

/** A paragraph about pictures that nobody gets, with what a moderator can do; none when there are none. */
export function heldText(held: readonly Pick<HeldPicture, 'unsafe'>[]): string[] {
  if (held.length === 0) return [];
  const were = held.length === 1 ? 'was' : 'were';
  const sure = held.map(({ unsafe }) => `${Math.round(100 * unsafe)} %`).join(', ');
  return [
    `**${counted(held.length, 'picture')} ${were} held back**: the safety check takes ` +
      `${held.length === 1 ? 'it for one' : 'them for pictures'} for adults alone (${sure} sure). ` +
      'A moderator changes what happens to such pictures with `/krona rules set safety:`.',
  ];
}
