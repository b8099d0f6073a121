/** @file A message being written: its text and the photos that go with it. */
import { MAX_PHOTO_BYTES, MAX_PHOTOS } from '../../upload-limits.ts';
import { MAX_TEXT } from '../protocol.ts';
import { upload } from './api.ts';

export interface DraftPhoto {
  readonly file: File;
  /** A link inside this page to look at it by. */
  readonly preview: string;
  /** Returns the bot's id of it once it has arrived; after a failure, the next call sends it again. */
  readonly sent: () => Promise<string>;
}

export interface Draft {
  /** Stays when the same message is sent again, so that the bot can tell. */
  readonly id: string;
  readonly text: string;
  readonly photos: readonly DraftPhoto[];
}

/** A random UUID; crypto.randomUUID is missing from pages that came over plain HTTP from another machine. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  const variant = '89ab'.charAt(Number.parseInt(hex.charAt(16), 16) & 3);
  return hex.replace(/^(.{8})(.{4}).(.{3}).(.{3})/u, `$1-$2-4$3-${variant}$4-`);
}

export const newDraft = (text = ''): Draft => ({ id: newId(), text, photos: [] });

export const isEmpty = ({ text, photos }: Draft): boolean => text.trim() === '' && photos.length === 0;

/** What to say of a text that no message can hold. */
export const tooLong = (text: string): string =>
  `A message can have ${MAX_TEXT} characters; this text has ${text.length}. Shorten it, or send it in parts.`;

export function newPhoto(file: File): DraftPhoto {
  let arrived: Promise<string> | null = null;
  const sent = () => {
    arrived ??= upload(file).catch((error: unknown) => {
      arrived = null;
      throw error;
    });
    return arrived;
  };
  // It travels while the member is still typing.
  sent().catch(() => undefined);
  return { file, preview: URL.createObjectURL(file), sent };
}

/** The draft with files added, and what to say about those that were not. */
export function withFiles(draft: Draft, files: readonly File[]): { draft: Draft; notice: string | null } {
  const small = files.filter((file) => file.size <= MAX_PHOTO_BYTES);
  const fitting = small.slice(0, MAX_PHOTOS - draft.photos.length);
  const large = files.length - small.length;
  const excess = small.length - fitting.length;
  const notices: string[] = [];
  if (large > 0)
    notices.push(
      large === 1
        ? 'One file is over 25 MiB and was not added.'
        : `${large} files are over 25 MiB and were not added.`,
    );
  if (excess > 0)
    notices.push(
      `A message takes up to ${MAX_PHOTOS} photos; ${excess} not added. Add more with \`/krona photos add\`.`,
    );
  return {
    draft: { ...draft, photos: [...draft.photos, ...fitting.map(newPhoto)] },
    notice: notices.length > 0 ? notices.join(' ') : null,
  };
}
