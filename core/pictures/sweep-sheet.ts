/** @file The sheet of a sweep: beside one another a block for each learning rate, with a row for each a1 and a column for each a2. */
import sharp from 'sharp';
import { LETTER_HEIGHT, letters, lettersWidth } from './small-letters.ts';

/** A cell of the sheet. */
interface SheetTile {
  readonly a1: number;
  readonly a2: number;
  readonly lr: number;
  /** PNG; null: an empty place, for a cell that was never trained or a picture that is held back. */
  readonly picture: Uint8Array | null;
  /** 0 to 1; null: none. */
  readonly score: number | null;
  /** Members choose between these. */
  readonly finalist: boolean;
}

/** Sides and gaps, pixels. */
const SIDE = 192;
const GAP = 8;
/** Height of the score below a picture, of a heading, and width of a row's label. */
const BELOW = 26;
const HEADING = 34;
const LABEL = 92;
const SCALE = 2;

const INK = '#24292f';
const FAINT = '#6e7781';
const CHOSEN = '#1a7f37';

const distinct = (values: readonly number[]): number[] => [...new Set(values)];

/** Returns the sheet as PNG. @param tiles - in any order, one for each cell of the grid */
export async function sweepSheet(
  tiles: readonly SheetTile[],
): Promise<{ png: Buffer; width: number; height: number }> {
  const rates = distinct(tiles.map(({ lr }) => lr));
  const rows = distinct(tiles.map(({ a1 }) => a1));
  const columns = distinct(tiles.map(({ a2 }) => a2));
  const pitch = { x: SIDE + GAP, y: SIDE + BELOW + GAP };
  const block = LABEL + columns.length * pitch.x + GAP;
  const width = rates.length * block;
  const height = 2 * HEADING + rows.length * pitch.y + GAP;
  const marks: string[] = [];
  const say = (text: string, x: number, y: number, colour = INK) =>
    marks.push(letters(text, Math.round(x), Math.round(y), SCALE, colour));
  for (const [n, rate] of rates.entries()) {
    const left = n * block;
    say(`lr ${rate}`, left + GAP, GAP + 4);
    for (const [x, a2] of columns.entries())
      say(`a2 ${a2}`, left + LABEL + x * pitch.x, HEADING + GAP + 2, FAINT);
    for (const [y, a1] of rows.entries())
      say(`a1 ${a1}`, left + GAP, 2 * HEADING + y * pitch.y + (SIDE - SCALE * LETTER_HEIGHT) / 2, FAINT);
  }
  const pictures = [];
  for (const { a1, a2, lr, picture, score, finalist } of tiles) {
    const left = rates.indexOf(lr) * block + LABEL + columns.indexOf(a2) * pitch.x;
    const top = 2 * HEADING + rows.indexOf(a1) * pitch.y;
    const frame = finalist ? `stroke="${CHOSEN}" stroke-width="4"` : 'stroke="#d0d7de" stroke-width="1"';
    marks.push(`<rect x="${left}" y="${top}" width="${SIDE}" height="${SIDE}" fill="none" ${frame}/>`);
    const told = score === null ? '-' : score.toFixed(2);
    say(
      told,
      left + (SIDE - lettersWidth(told, SCALE)) / 2,
      top + SIDE + (BELOW - SCALE * LETTER_HEIGHT) / 2,
      finalist ? CHOSEN : INK,
    );
    if (picture !== null)
      pictures.push({
        input: await sharp(picture).resize(SIDE, SIDE, { fit: 'contain' }).toBuffer(),
        left,
        top,
      });
  }
  const overlay = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${marks.join('')}</svg>`;
  const png = await sharp({ create: { width, height, channels: 3, background: '#ffffff' } })
    .composite([...pictures, { input: Buffer.from(overlay), left: 0, top: 0 }])
    .png()
    .toBuffer();
  return { png, width, height };
}
