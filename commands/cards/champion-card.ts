/** @file The announcement of a champion that votes chose, with the winning picture. */
import type { Adapter, Picture, Subject } from '../../core/records.ts';
import type { Card } from '../card.ts';
import { adapterName } from '../subjects/subjects.ts';
import { plain } from './format.ts';
import { onCard } from './pictures.ts';

/** @param reason - from `decideChampion` */
export function championCard(
  subject: Subject,
  adapter: Adapter,
  reason: string,
  picture: Picture | null,
): Card {
  const name = plain(subject.name);
  return {
    tone: 'success',
    title: `${plain(adapterName(subject, adapter))} is the new champion of ${name}`,
    text: [
      `${reason}.`,
      `Prompts with ${name} now use this adapter. \`/krona adapters champion\` chooses another.`,
    ],
    ...(picture && {
      pictures: [{ ...onCard(picture), alt: `A picture of ${name} by the new champion` }],
    }),
  };
}
