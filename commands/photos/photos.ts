/** @file `/krona photos`: the photos of a subject. Several members can add photos; each can remove their own. */
import { KronaError } from '../../core/errors.ts';
import type { Photo, Subject } from '../../core/records.ts';
import { note } from '../rules/audit.ts';
import type { Card } from '../card.ts';
import { counted } from '../../core/format.ts';
import { plain } from '../cards/format.ts';
import type { Command, CommandContext, Invocation, OptionData } from '../contract.ts';
import { textOption } from '../line/options.ts';
import { CAPTION, checkCaption, MAX_CAPTION, readCaptions } from './photo-captions.ts';
import { mayChange } from '../rules/permission.ts';
import { admitTexts } from '../rules/guard.ts';
import { keepPhotos, likenessesOf, MAX_PHOTOS, takePhotos, verdictCard } from './photo-intake.ts';
import {
  checkClassName,
  checkSubjectName,
  classMissing,
  completeSubject,
  ensureSubject,
  MAX_NAME,
  requireSubject,
} from '../subjects/subjects.ts';

async function add(invocation: Invocation, context: CommandContext): Promise<Card> {
  const { channel, member, attachments } = invocation;
  const name = checkSubjectName(textOption(invocation, 'subject')!);
  const className = checkClassName(textOption(invocation, 'class'));
  if (attachments.length === 0)
    throw new KronaError('NO_PHOTOS', 'The command has no photos. Attach 1 to 10.');
  const before = await context.records.subjectByName(channel.id, name);
  if (!before && className === undefined) throw classMissing(name);
  const captions = readCaptions(textOption(invocation, 'caption'), attachments.length);
  const intake = await takePhotos(invocation, name, context, captions);
  const likenesses = await likenessesOf(context.records, before, context.blobs);
  const { subject, verdicts, photos } = await context.records.transaction(async (records) => {
    // Without a good photo, no subject is added.
    if (!before && intake.ready.length === 0)
      throw new KronaError('NO_PHOTOS', intake.refused.map((verdict) => verdict.message).join(' '));
    const subject = await ensureSubject(records, invocation, name, className);
    const verdicts = await keepPhotos(records, subject, member, intake, likenesses);
    return { subject, verdicts, photos: await records.photos(subject.id) };
  });
  const kept = verdicts.filter((verdict) => verdict.kept).length;
  const aside = verdictCard(verdicts);
  if (kept === 0 && aside) return aside;
  return {
    tone: 'success',
    title: `${counted(kept, 'photo')} of ${plain(subject.name)} added`,
    text: [
      `${plain(subject.name)} now has ${photos.length} of at most ${MAX_PHOTOS} photos.`,
      `\`/krona train subject:${plain(subject.name)}\` trains an adapter with them.`,
    ],
    ...(aside && { aside }),
  };
}

/** Names of the members who added photos, by id. */
async function givers(context: CommandContext, photos: readonly Photo[]): Promise<Map<string, string>> {
  const ids = [...new Set(photos.map((photo) => photo.memberId))];
  return new Map((await context.records.members(ids)).map((member) => [member.id, member.name]));
}

async function list(invocation: Invocation, context: CommandContext): Promise<Card> {
  const { channel } = invocation;
  const name = textOption(invocation, 'subject');
  if (name === undefined) return overview(invocation, context);
  const subject = await requireSubject(context.records, channel, name);
  const photos = await context.records.photos(subject.id);
  const names = await givers(context, photos);
  return {
    tone: 'info',
    title: `${counted(photos.length, 'photo')} of ${plain(subject.name)}`,
    text:
      photos.length === 0
        ? [`Add some: \`/krona photos add subject:${plain(subject.name)}\` with up to 10 files.`]
        : [
            `\`/krona photos remove subject:${plain(subject.name)} photo:1\` removes the first photo; \`photo:mine\` removes all of yours.`,
            `\`/krona photos caption subject:${plain(subject.name)} photo:1 caption:asleep on grass\` says what else the first one shows.`,
          ],
    pictures: photos.map((photo, index) => ({
      id: photo.id,
      blobHash: photo.blobHash,
      alt: `Photo ${index + 1} of ${plain(subject.name)}`,
      caption: [
        String(index + 1),
        plain(names.get(photo.memberId) ?? 'a former member', 40),
        ...(photo.caption === null ? [] : [plain(photo.caption, 100)]),
      ].join(' · '),
    })),
    audience: 'caller',
  };
}

/** Most subjects of an overview. */
const MOST_ROWS = 50;

async function overview({ channel }: Invocation, context: CommandContext): Promise<Card> {
  const rows: string[][] = [];
  const all = await context.records.subjects(channel.id);
  for (const subject of all.slice(-MOST_ROWS)) {
    const photos = await context.records.photos(subject.id);
    const names = await givers(context, photos);
    const from = [...names.values()].map((name) => plain(name, 40)).join(', ');
    rows.push([plain(subject.name), plain(subject.className), String(photos.length), from || '–']);
  }
  if (rows.length === 0)
    return {
      tone: 'info',
      title: 'No subjects yet',
      text: ['`/krona photos add subject:mochi class:cat` with photos adds one.'],
      audience: 'caller',
    };
  return {
    tone: 'info',
    title: 'Subjects of this channel',
    ...(all.length > MOST_ROWS && {
      text: [`The newest ${MOST_ROWS} of ${all.length}. \`/krona photos list subject:\` shows those of one.`],
    }),
    table: { columns: ['subject', 'class', 'photos', 'from'], rows },
    audience: 'caller',
  };
}

/** Returns the photos for `1`, `2, 5` or `mine`. @throws KronaError PHOTO_UNKNOWN */
function chosen(typed: string, photos: readonly Photo[], memberId: string): Photo[] {
  if (typed.toLowerCase() === 'mine') {
    const mine = photos.filter((photo) => photo.memberId === memberId);
    if (mine.length > 0) return mine;
    throw new KronaError('PHOTO_UNKNOWN', 'None of these photos is yours.');
  }
  const numbers = typed.split(/[\s,]+/).filter((part) => part !== '');
  return [...new Set(numbers)].map((part) => {
    const photo = /^\d+$/.test(part) ? photos[Number(part) - 1] : undefined;
    if (photo) return photo;
    throw new KronaError(
      'PHOTO_UNKNOWN',
      `There is no photo “${part.slice(0, 20)}”. Use numbers from 1 to ${photos.length} as in the list, or mine.`,
    );
  });
}

/** Returns the typed photos, if the actor can change all of them. @throws KronaError PHOTO_UNKNOWN, NOT_ALLOWED */
function requirePhotos(invocation: Invocation, subject: Subject, photos: readonly Photo[], what: string) {
  const wanted = chosen(textOption(invocation, 'photo')!, photos, invocation.member.id);
  const foreign = wanted.find((photo) => !mayChange(invocation, [photo.memberId, subject.ownerId]));
  if (!foreign) return wanted;
  throw new KronaError(
    'NOT_ALLOWED',
    `Photo ${photos.indexOf(foreign) + 1} is not yours. Only its sender, the owner of ${subject.name}, or a moderator can ${what} it.`,
  );
}

async function remove(invocation: Invocation, context: CommandContext): Promise<Card> {
  const { channel } = invocation;
  const subject = await requireSubject(context.records, channel, textOption(invocation, 'subject')!);
  const { removed, left } = await context.records.transaction(async (records) => {
    const photos = await records.photos(subject.id);
    const wanted = requirePhotos(invocation, subject, photos, 'remove');
    for (const photo of wanted) await records.removePhoto(photo.id);
    const what = `${counted(wanted.length, 'photo')} of ${subject.name} removed`;
    await note(records, invocation, 'photos', what);
    return { removed: wanted.length, left: photos.length - wanted.length };
  });
  return {
    tone: 'success',
    title: `${counted(removed, 'photo')} of ${plain(subject.name)} removed`,
    text: [
      `${counted(left, 'photo')} left. Adapters trained with the removed ${removed === 1 ? 'photo' : 'photos'} stay; \`/krona adapters delete\` deletes those.`,
    ],
    audience: 'caller',
  };
}

async function caption(invocation: Invocation, context: CommandContext): Promise<Card> {
  const subject = await requireSubject(
    context.records,
    invocation.channel,
    textOption(invocation, 'subject')!,
  );
  const said = checkCaption(textOption(invocation, 'caption') ?? '');
  const wanted = await context.records.transaction(async (records) => {
    const wanted = requirePhotos(invocation, subject, await records.photos(subject.id), 'caption');
    await admitTexts(records, invocation, said === null ? [] : [said]);
    for (const { id } of wanted) await records.setCaption(id, said);
    await note(
      records,
      invocation,
      'photos',
      `${counted(wanted.length, 'photo')} of ${subject.name} captioned`,
    );
    return wanted;
  });
  return {
    tone: 'success',
    title: `${counted(wanted.length, 'photo')} of ${plain(subject.name)} ${said === null ? 'without a caption' : 'captioned'}`,
    text: [
      said === null
        ? 'The next training uses the plain training prompt.'
        : `“${plain(said, MAX_CAPTION)}” is used from the next training on.`,
    ],
    audience: 'caller',
  };
}

const ACTIONS: Readonly<Record<string, Command['run']>> = { add, list, remove, caption };

/** The photos of an action. */
const NUMBERS: OptionData = {
  name: 'photo',
  description: 'Numbers as in the list, or mine',
  type: 'text',
  required: true,
};

const SUBJECT: OptionData = {
  name: 'subject',
  description: 'Subject of the photos',
  type: 'text',
  required: true,
  maxLength: MAX_NAME,
  complete: completeSubject,
};

export const photos: Command = {
  data: {
    name: 'photos',
    description: 'Photos of a subject: add, list, caption, remove',
    example: '/krona photos list subject:mochi',
    options: [],
    actions: [
      {
        name: 'add',
        description: 'Add photos to a subject',
        options: [
          SUBJECT,
          { name: 'photos', description: 'Up to 10 photos', type: 'photos', required: true },
          {
            name: 'class',
            description: 'What a new subject is: cat, robot',
            type: 'text',
            maxLength: MAX_NAME,
          },
          CAPTION,
        ],
      },
      {
        name: 'list',
        description: 'Show the photos of a subject, or all subjects',
        options: [{ ...SUBJECT, required: false }],
      },
      {
        name: 'remove',
        description: 'Remove photos: your own, or those of a subject you own',
        options: [SUBJECT, NUMBERS],
      },
      {
        name: 'caption',
        description: 'Say what else photos show, so the subject doesn’t learn it',
        options: [
          SUBJECT,
          NUMBERS,
          {
            name: 'caption',
            description: 'What else it shows, such as asleep on grass; omit it to remove the caption',
            type: 'text',
            maxLength: MAX_CAPTION,
          },
        ],
      },
    ],
  },
  run: (invocation, context) => ACTIONS[invocation.action]!(invocation, context),
};
