/** @file The text of a caption file: UTF-8, or UTF-16 with a byte order mark; nothing else is guessed. */
import { KronaError } from '../../core/errors.ts';

const MARKS = [
  { encoding: 'utf-8', mark: [0xef, 0xbb, 0xbf] },
  { encoding: 'utf-16le', mark: [0xff, 0xfe] },
  { encoding: 'utf-16be', mark: [0xfe, 0xff] },
] as const;

/** Some marks that are no blanks show nothing either. */
const VISIBLE = /[\p{L}\p{N}\p{P}\p{S}]/u;
const LINE_END = /\r\n|\r|\n/;
/** Characters of a caption, as of a prompt on the command line: training keeps all of its tokens in memory. */
const LONGEST = 10_000;

/**
 * The first line that is not blank; null when there is none. Lines end with LF, CR LF or CR.
 *
 * @param name of the file, for messages
 * @throws KronaError CAPTION_UNREADABLE naming the line; CAPTION_TOO_LONG
 */
export function readCaption(bytes: Uint8Array, name: string): string | null {
  const lines = decode(bytes, name).split(LINE_END);
  const caption = lines.map((line) => line.trim()).find((line) => VISIBLE.test(line)) ?? null;
  if (caption !== null && caption.length > LONGEST)
    throw new KronaError(
      'CAPTION_TOO_LONG',
      `${name} has a line of ${caption.length} characters; a caption can have at most ${LONGEST}. Shorten it.`,
    );
  return caption;
}

function decode(bytes: Uint8Array, name: string): string {
  const encoding = MARKS.find(({ mark }) => mark.every((byte, i) => bytes[i] === byte))?.encoding ?? 'utf-8';
  // A byte that is no text becomes U+FFFD here, and an error there.
  const text = new TextDecoder(encoding).decode(bytes);
  // UTF-16 and UTF-32 without a mark are valid UTF-8 with NULs.
  const nul = text.indexOf('\0');
  if (nul >= 0) throw unreadable(name, text.slice(0, nul));
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    throw unreadable(name, text.slice(0, text.indexOf('\uFFFD')));
  }
}

function unreadable(name: string, before: string): KronaError {
  return new KronaError(
    'CAPTION_UNREADABLE',
    `${name}, line ${before.split(LINE_END).length}: captions must be UTF-8, or UTF-16 with a byte order mark, and this ` +
      'is neither. Save the file as UTF-8.',
  );
}
