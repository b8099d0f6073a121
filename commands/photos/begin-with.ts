/** @file The picture that a set begins with: a member's file, checked, counted and stored as photos are. */
import { at } from '../../core/at.ts';
import { KronaError } from '../../core/errors.ts';
import { counted } from '../../core/format.ts';
import { areaOf, type Area } from '../../core/pictures/area.ts';
import type { SetStart } from '../../core/records.ts';
import type { Actor, Attachment, CommandContext, Invocation } from '../contract.ts';
import { note } from '../rules/audit.ts';
import { admitWork } from '../rules/guard.ts';
import { checkPhoto, MAX_PHOTO_BYTES, tooManyBytes } from './photo-check.ts';

export interface Beginning {
  /** null: noise. */
  readonly start: Omit<SetStart, 'change'>;
  /** Of the picture, pixels. */
  readonly width: number;
  readonly height: number;
}

type Sender = Pick<Invocation, keyof Actor>;

/**
 * The files of a command by option, of those that take one; those that the platform gives to no option fill the options in their order.
 *
 * @throws KronaError TOO_MANY_FILES
 */
export function filesByOption(
  attachments: readonly Attachment[],
  names: readonly string[],
): ReadonlyMap<string, Attachment> {
  const named = attachments.filter(({ option }) => option !== undefined);
  const files = new Map(named.map((file) => [file.option ?? '', file]));
  const free = names.filter((name) => !files.has(name));
  const others = attachments.filter(({ option }) => option === undefined);
  if (others.length > free.length)
    throw new KronaError(
      'TOO_MANY_FILES',
      `You sent ${counted(attachments.length, 'file')}; here at most ${names.length} can be used: ${names.join(', ')}.`,
    );
  for (const [n, file] of others.entries()) files.set(free[n] ?? '', file);
  return files;
}

/** Reads, checks and counts files, one after the other. @throws KronaError PHOTO_*, ATTACHMENT_*, QUOTA_EXCEEDED */
async function taken(sender: Sender, files: readonly Attachment[], { records }: CommandContext) {
  await records.transaction(async (inside) => {
    const photos = files.length;
    await admitWork(inside, sender, { kind: 'photos', photos }, []);
    await note(inside, sender, 'photos', `${counted(photos, 'picture')} to begin with sent`, {
      amount: photos,
    });
  });
  const checked = [];
  for (const file of files) {
    if (file.size > MAX_PHOTO_BYTES) throw tooManyBytes(file.fileName, file.size);
    checked.push({ name: file.fileName, ...(await checkPhoto(await file.read(), file.fileName)) });
  }
  return checked;
}

/**
 * Stores a picture to draw all of anew.
 *
 * @param check throws where the picture, by the pixels of the file, can't be used
 * @throws KronaError PHOTO_*, ATTACHMENT_*, QUOTA_EXCEEDED, STORAGE_FULL
 */
export async function beginWith(
  sender: Sender,
  file: Attachment,
  context: CommandContext,
  check?: (sent: Pick<Beginning, 'width' | 'height'>) => void,
): Promise<Beginning> {
  const photo = at(await taken(sender, [file], context), 0);
  check?.(photo.sent);
  const { hash: blobHash, size } = await context.blobs.put(photo.png);
  const start = { memberId: sender.member.id, blobHash, maskHash: null, size };
  return { start, width: photo.width, height: photo.height };
}

/**
 * Stores a picture of which a part is drawn anew.
 *
 * @param where the part, unless there is a file of it; null: what is transparent
 * @throws KronaError MASK_*, PHOTO_*, ATTACHMENT_*, QUOTA_EXCEEDED, STORAGE_FULL
 */
export async function beginWithPart(
  sender: Sender,
  files: { readonly picture: Attachment; readonly mask: Attachment | undefined },
  where: Area | null,
  context: CommandContext,
): Promise<Beginning> {
  const sent = files.mask ? [files.picture, files.mask] : [files.picture];
  const all = await taken(sender, sent, context);
  const [photo, mask] = [at(all, 0), all[1]];
  const named = ({ name, png }: typeof photo) => ({ name, source: png });
  const area = await areaOf(named(photo), mask ? named(mask) : where);
  const [picture, part] = [await context.blobs.put(area.picture), await context.blobs.put(area.mask)];
  const start = {
    memberId: sender.member.id,
    blobHash: picture.hash,
    maskHash: part.hash,
    size: picture.size + part.size,
  };
  return { start, width: area.width, height: area.height };
}
