/** @file Letters for labels in pictures, as paths of an SVG: machines without fonts draw texts as boxes. */

/** Each letter's rows from the top, five pixels wide. */
const LETTERS: Readonly<Record<string, string>> = {
  '0': '01110 10001 10011 10101 11001 10001 01110',
  '1': '00100 01100 00100 00100 00100 00100 01110',
  '2': '01110 10001 00001 00110 01000 10000 11111',
  '3': '11111 00010 00100 00010 00001 10001 01110',
  '4': '00010 00110 01010 10010 11111 00010 00010',
  '5': '11111 10000 11110 00001 00001 10001 01110',
  '6': '00110 01000 10000 11110 10001 10001 01110',
  '7': '11111 00001 00010 00100 01000 01000 01000',
  '8': '01110 10001 10001 01110 10001 10001 01110',
  '9': '01110 10001 10001 01111 00001 00010 01100',
  '.': '00000 00000 00000 00000 00000 01100 01100',
  '-': '00000 00000 00000 01110 00000 00000 00000',
  a: '00000 00000 01110 00001 01111 10001 01111',
  e: '00000 00000 01110 10001 11111 10000 01110',
  l: '01100 00100 00100 00100 00100 00100 01110',
  r: '00000 00000 10110 11001 10000 10000 10000',
  ' ': '00000 00000 00000 00000 00000 00000 00000',
};

/** Pixels of the drawing from one letter to the next, and of its height, at scale 1. */
const PITCH = 6;
export const LETTER_HEIGHT = 7;

/** Pixels that a text is wide. */
export const lettersWidth = (text: string, scale: number): number => scale * (PITCH * text.length - 1);

/**
 * A text as an SVG path. Letters that it doesn't know are left blank.
 *
 * @param scale - pixels of the picture for one of a letter
 */
export function letters(text: string, left: number, top: number, scale: number, colour: string): string {
  const path = [...text].flatMap((letter, n) =>
    (LETTERS[letter] ?? '').split(' ').flatMap((row, y) =>
      [...row].map((bit, x) => {
        if (bit !== '1') return '';
        return `M${left + scale * (PITCH * n + x)} ${top + scale * y}h${scale}v${scale}h${-scale}z`;
      }),
    ),
  );
  return `<path d="${path.join('')}" fill="${colour}"/>`;
}
