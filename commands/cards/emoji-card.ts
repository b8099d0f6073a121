/** @file A picture as a custom emoji, to save and add to the chat. */
import { EMOJI_SIDE } from '../../core/pictures/emoji.ts';
import type { Picture, PictureSet } from '../../core/records.ts';
import type { Card } from '../card.ts';
import { plain } from './format.ts';
import { onCard } from './pictures.ts';

interface EmojiFile {
  readonly hash: string;
  /** Bytes. */
  readonly size: number;
  readonly transparent: boolean;
}

export function emojiCard(set: PictureSet, picture: Picture, file: EmojiFile): Card {
  const name = emojiName(set.prompt);
  const alt = `${plain(set.prompt)}, as an emoji`;
  return {
    tone: 'success',
    title: `Picture ${picture.index + 1} as an emoji`,
    text: [
      `${EMOJI_SIDE}×${EMOJI_SIDE} pixels${file.transparent ? ' with a transparent background' : ''}. Save it, then add it ` +
        'in this chat’s settings for custom emoji. The link works for one day.',
      ...(file.transparent
        ? []
        : [
            'Its background has more than one colour, so it was kept. For a transparent one, name a plain background in the prompt, such as “on a white background”.',
          ]),
    ],
    pictures: [{ ...onCard(picture), blobHash: file.hash, alt }],
    files: [{ name: `${name}.png`, blobHash: file.hash, size: file.size }],
    audience: 'caller',
  };
}

/** Returns an emoji name that Discord and Slack accept: 2 to 32 of a-z, 0-9 and _. */
function emojiName(prompt: string): string {
  const words = prompt
    .normalize('NFKD')
    .toLowerCase()
    .replace(/\p{M}/gu, '')
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '' && !FILLERS.has(word));
  let name = '';
  for (const word of words) {
    if (name.length + word.length + 1 > 32) break;
    name = name === '' ? word : `${name}_${word}`;
  }
  return name.length < 2 ? 'krona' : name;
}

const FILLERS = new Set(['a', 'an', 'the', 'of', 'on', 'in', 'with', 'background']);
