/**
 * @file Adds the photos of a command to a subject: checks every file, keeps the good ones, and reports all problems in
 * one answer.
 */
import { randomUUID } from 'node:crypto';
import type { BlobStore } from '../../storage/blobs/contract.ts';
import { counted } from '../../core/format.ts';
import { describeError, KronaError } from '../../core/errors.ts';
import { RecentMap } from '../../core/recent.ts';
import type { Member, Subject } from '../../core/records.ts';
import type { Records, RecordStore } from '../../storage/records.ts';
import type { Card } from '../card.ts';
import type { Actor, Attachment, CommandContext, Invocation } from '../contract.ts';
import { note } from '../rules/audit.ts';
import { admitWork } from '../rules/guard.ts';
import type { Captions } from './photo-captions.ts';
import { checkPhoto, MAX_PHOTO_BYTES, tooManyBytes } from './photo-check.ts';
import { looksTheSame, photoPrint, type PhotoPrint } from './photo-likeness.ts';

/** Most files in one command: the limit of the platforms' forms. */
export const MAX_FILES = 10;
/** Most photos of a subject. */
export const MAX_PHOTOS = 20;

export interface Verdict {
  readonly fileName: string;
  readonly kept: boolean;
  /** '' for a photo that is kept without a remark. */
  readonly message: string;
}

/** A checked and stored photo. */
interface ReadyPhoto {
  readonly fileName: string;
  readonly blobHash: string;
  /** Bytes. */
  readonly size: number;
  readonly width: number;
  readonly height: number;
  readonly print: PhotoPrint;
  readonly caption: string | null;
  readonly notes: readonly string[];
}

interface Intake {
  readonly ready: readonly ReadyPhoto[];
  /** Verdicts on refused files. */
  readonly refused: readonly Verdict[];
}

/** By blob hash. */
const prints = new RecentMap<string, PhotoPrint>(500);

async function printOf(blobHash: string, read: () => Promise<Uint8Array>): Promise<PhotoPrint> {
  const print = prints.get(blobHash) ?? (await photoPrint(await read()));
  prints.set(blobHash, print);
  return print;
}

/** @throws KronaError TOO_MANY_FILES */
function checkCount(attachments: readonly Attachment[]): void {
  if (attachments.length > MAX_FILES)
    throw new KronaError(
      'TOO_MANY_FILES',
      `You sent ${attachments.length} files; at most ${MAX_FILES} at once are allowed, and a subject can have at most ` +
        `${MAX_PHOTOS} photos. Nothing was stored. Send the best ${MAX_FILES} first.`,
    );
}

type Sender = Pick<Invocation, keyof Actor | 'attachments'>;

/**
 * Counts the files of a command against the quotas, whether or not they are kept: until the next sweep, those that are
 * not take room too.
 */
async function count(sender: Sender, name: string, texts: readonly string[], records: RecordStore) {
  const photos = sender.attachments.length;
  if (photos === 0) return;
  await records.transaction(async (inside) => {
    await admitWork(inside, sender, { kind: 'photos', photos }, texts);
    await note(inside, sender, 'photos', `${counted(photos, 'photo')} of ${name} sent`, { amount: photos });
  });
}

/**
 * Reads and checks the files of a command, one after the other to save memory, and stores the good ones. No record refers
 * to them yet: see `keepPhotos`.
 *
 * @param name - of the subject
 * @param captions of the files, in their order; none by default
 * @throws KronaError TOO_MANY_FILES, PROMPT_REFUSED, QUOTA_EXCEEDED, STORAGE_FULL; problems of single files are in
 * `refused`
 */
export async function takePhotos(
  sender: Sender,
  name: string,
  { records, blobs }: Pick<CommandContext, 'records' | 'blobs'>,
  captions: Captions = [],
): Promise<Intake> {
  const { attachments } = sender;
  checkCount(attachments);
  const texts = captions.filter((caption) => caption !== null);
  await count(sender, name, texts, records);
  const ready: ReadyPhoto[] = [];
  const refused: Verdict[] = [];
  const sources = new Map<string, string>();
  for (const [place, attachment] of attachments.entries()) {
    const { fileName } = attachment;
    try {
      if (attachment.size > MAX_PHOTO_BYTES) throw tooManyBytes(fileName, attachment.size);
      const bytes = await attachment.read();
      const photo = await checkPhoto(bytes, fileName);
      // The same pixels become the same PNG, so this finds copies even in another format.
      const { hash: blobHash, size } = await blobs.put(photo.png);
      const twin = sources.get(blobHash);
      if (twin !== undefined)
        throw new KronaError('PHOTO_DUPLICATE', `${fileName} is the same photo as ${twin}.`);
      sources.set(blobHash, fileName);
      const print = await printOf(blobHash, async () => photo.png);
      const { width, height, notes } = photo;
      ready.push({ fileName, blobHash, size, width, height, print, caption: captions[place] ?? null, notes });
    } catch (error) {
      // With a full disk, say, the whole command fails, and the member sends the photos again.
      if (!(error instanceof KronaError) || !/^(PHOTO|ATTACHMENT)_/.test(error.code)) throw error;
      refused.push({ fileName, kept: false, message: describeError(error).message });
    }
  }
  return { ready, refused };
}

/**
 * Adds checked photos to a subject, up to its limit. Call it in the command's transaction.
 *
 * @param likenesses - prints of the subject's photos, from `likenessesOf`, to warn about near-duplicates
 */
export async function keepPhotos(
  records: Records,
  subject: Subject,
  member: Member,
  intake: Intake,
  likenesses: ReadonlyMap<string, PhotoPrint>,
): Promise<Verdict[]> {
  const standing = await records.photos(subject.id);
  const seen = standing.flatMap((photo) => {
    const print = likenesses.get(photo.blobHash);
    return print ? [{ fileName: photo.fileName, print }] : [];
  });
  let count = standing.length;
  const verdicts: Verdict[] = [];
  for (const { fileName, blobHash, size, width, height, print, caption, notes } of intake.ready) {
    const refuse = (message: string) => verdicts.push({ fileName, kept: false, message });
    const twin = standing.find((photo) => photo.blobHash === blobHash);
    if (twin) {
      refuse(`${fileName} is the same photo as ${twin.fileName}, which ${subject.name} already has.`);
      continue;
    }
    if (count >= MAX_PHOTOS) {
      refuse(
        `${fileName} is not kept: ${subject.name} already has ${MAX_PHOTOS} photos, the most a subject can have.`,
      );
      continue;
    }
    const photo = {
      id: randomUUID(),
      subjectId: subject.id,
      memberId: member.id,
      blobHash,
      size,
      width,
      height,
      fileName,
      caption,
    };
    if (!(await records.addPhoto(photo))) {
      refuse(`${fileName} is a photo that ${subject.name} already has.`);
      continue;
    }
    count += 1;
    const alike = seen.find((other) => looksTheSame(other.print, print));
    const remarks = alike
      ? [...notes, `it looks almost the same as ${alike.fileName}, and different photos train better`]
      : notes;
    seen.push({ fileName, print });
    const message = remarks.length === 0 ? '' : `${fileName} is kept. Note: ${remarks.join('; ')}.`;
    verdicts.push({ fileName, kept: true, message });
  }
  return [...verdicts, ...intake.refused];
}

/** Returns the prints of a subject's photos by blob hash. Call it before the transaction, because decoding is slow. */
export async function likenessesOf(
  records: Records,
  subject: Subject | null,
  blobs: BlobStore,
): Promise<Map<string, PhotoPrint>> {
  const found = new Map<string, PhotoPrint>();
  if (subject === null) return found;
  for (const { blobHash } of await records.photos(subject.id))
    if (await blobs.stat(blobHash)) found.set(blobHash, await printOf(blobHash, () => blobs.get(blobHash)));
  return found;
}

/** Returns a card about the files of one command; null when all were kept without a remark. */
export function verdictCard(verdicts: readonly Verdict[]): Card | null {
  const remarks = verdicts.map((verdict) => verdict.message).filter((message) => message !== '');
  if (remarks.length === 0) return null;
  const kept = verdicts.filter((verdict) => verdict.kept).length;
  return {
    tone: 'warning',
    title: `${kept} of ${verdicts.length} ${verdicts.length === 1 ? 'photo' : 'photos'} kept`,
    text: remarks,
    audience: 'caller',
  };
}
