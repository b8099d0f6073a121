/** @file A quiz for people: a photo of each mascot, and numbered pictures, each of which shows one of them. */
import { at } from '../../core/at.ts';
import { ExampleRandom } from '../pretrain/example-random.ts';
import { contactSheet, type SheetPicture } from '../pretrain/sheet.ts';
import { firstPhoto } from './compare-subject.ts';

export interface QuizAnswer {
  /** Of the picture, from 1. */
  readonly number: number;
  readonly letter: string;
  readonly mascot: string;
}

/** Pictures of each mascot, at most. */
const EACH = 12;
const COLUMNS = 10;
const ORDER_SEED = 1;

/**
 * Letters for mascots, numbers for pictures, in an order that tells nothing.
 *
 * @param out the folder with the photos
 * @param size of the pictures, pixels
 */
export async function quizSheet(
  out: string,
  size: number,
  drawn: readonly { readonly mascot: string; readonly pictures: readonly Float32Array[] }[],
): Promise<{ readonly sheet: Buffer; readonly answers: readonly QuizAnswer[] }> {
  const letter = (index: number): string => String.fromCharCode(65 + index);
  const photos: SheetPicture[] = [];
  for (const [index, { mascot }] of drawn.entries()) {
    photos.push({ image: await firstPhoto(out, mascot), label: letter(index) });
  }
  const white = new Float32Array(3 * size * size).fill(1);
  while (photos.length % COLUMNS !== 0) photos.push({ image: white, label: '' });

  const random = new ExampleRandom(ORDER_SEED, 0);
  const pictures = drawn
    .flatMap(({ mascot, pictures: own }, index) =>
      own
        .slice(0, EACH)
        .map((image) => ({ image, mascot, letter: letter(index), order: random.between(0, 1) })),
    )
    .sort((a, b) => a.order - b.order);
  const sheet = await contactSheet(
    [...photos, ...pictures.map(({ image }, index) => ({ image, label: String(index + 1) }))],
    { columns: COLUMNS, size, title: 'Which of the lettered mascots does each numbered picture show?' },
  );
  const answers = pictures.map((each, index) => ({
    number: index + 1,
    letter: each.letter,
    mascot: at(drawn, each.letter.charCodeAt(0) - 65).mascot,
  }));
  return { sheet, answers };
}
