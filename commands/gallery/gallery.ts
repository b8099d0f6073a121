/** @file `/krona gallery`: the pictures of a channel, searched and shown page by page. */
import { counted } from '../../core/format.ts';
import type { GallerySearch } from '../../core/records.ts';
import type { Card, CardButton } from '../card.ts';
import { plain } from '../cards/format.ts';
import { memberNames } from '../cards/member-names.ts';
import type { Actor, CommandContext } from '../contract.ts';
import { command } from '../define.ts';
import { requireMemberHere } from '../rules/members.ts';
import { completeSubject, requireSubject } from '../subjects/subjects.ts';
import { fromButton, MAX_LIKES, MAX_WORDS, NEWEST, toButton, wordsOf, type GalleryFrom } from './search.ts';

/** Pictures of a page: as many as a message shows well on each platform. */
const PAGE = 6;

export const gallery = command(
  {
    name: 'gallery',
    direct: true,
    description: 'Look through the pictures of this channel',
    example: '/krona gallery red fox subject:mochi votes:1',
    options: [
      {
        name: 'prompt',
        description: 'Words of the prompt',
        type: 'text',
        freeText: true,
        maxLength: MAX_WORDS,
      },
      { name: 'subject', description: 'Only this subject', type: 'text', complete: completeSubject },
      { name: 'member', description: 'Who asked for them', type: 'text', mentions: true },
      { name: 'votes', description: 'Least votes', type: 'integer', min: 1, max: MAX_LIKES },
    ],
  },

  async ({ channel, options }, context) => {
    const { records } = context;
    const { prompt = '', subject, member, votes = 0 } = options;
    const search = {
      channelId: channel.id,
      words: wordsOf(prompt),
      subjectId: subject === undefined ? null : (await requireSubject(records, channel, subject)).id,
      memberId: member === undefined ? null : (await requireMemberHere(records, channel, member)).id,
      likes: votes,
    };
    return pageCard(search, NEWEST, context);
  },
);

/** Another page, for the member who pressed the button. @throws KronaError ACTION_UNKNOWN, GONE */
export async function turnPage(id: string, { channel }: Actor, context: CommandContext): Promise<Card> {
  const { search, from } = await fromButton(id, channel, context.records);
  return pageCard(search, from, context);
}

async function pageCard(search: GallerySearch, from: GalleryFrom, context: CommandContext): Promise<Card> {
  const { records } = context;
  // One more tells whether there is another page.
  const found = await records.gallery(search, from, PAGE + 1);
  const isBack = from.after !== null;
  const hasMore = found.length > PAGE;
  const pictures = isBack ? found.slice(-PAGE) : found.slice(0, PAGE);
  const [first, last] = [pictures[0], pictures.at(-1)];
  if (first === undefined || last === undefined) return emptyCard(search, from);
  const ids = pictures.map(({ memberId }) => memberId);
  const nameOf = await memberNames(records, ids);
  const buttons: CardButton[] = [
    ...((isBack ? hasMore : from.before !== null)
      ? [{ action: `gallery:${toButton(search, { before: null, after: first.place })}`, label: 'Newer' }]
      : []),
    ...(isBack || hasMore
      ? [{ action: `gallery:${toButton(search, { before: last.place, after: null })}`, label: 'Older' }]
      : []),
  ];
  return {
    tone: 'info',
    title: 'Gallery',
    text: [await searchText(search, context)],
    pictures: pictures.map(({ id, blobHash, prompt, memberId, likes }) => ({
      id,
      blobHash,
      alt: plain(prompt),
      caption: [
        plain(prompt, 60),
        plain(nameOf(memberId), 40),
        ...(likes > 0 ? [counted(likes, 'vote')] : []),
      ].join(' · '),
    })),
    buttons,
    audience: 'caller',
  };
}

/** What was looked for, in words. */
async function searchText(
  { words, subjectId, memberId, likes }: GallerySearch,
  { records }: CommandContext,
): Promise<string> {
  const subject = subjectId === null ? null : await records.subject(subjectId);
  const [member] = memberId === null ? [] : await records.members([memberId]);
  const parts = [
    ...(words.length > 0 ? [`with “${plain(words.join(' '))}”`] : []),
    ...(subject ? [`of ${plain(subject.name)}`] : []),
    ...(member ? [`asked for by ${plain(member.name, 40)}`] : []),
    ...(likes > 0 ? [`with at least ${counted(likes, 'vote')}`] : []),
  ];
  return parts.length === 0
    ? 'The pictures of this channel, newest first.'
    : `Pictures ${parts.join(', ')}, newest first.`;
}

function emptyCard({ words, subjectId, memberId, likes }: GallerySearch, from: GalleryFrom): Card {
  const searched = words.length > 0 || subjectId !== null || memberId !== null || likes > 0;
  const text =
    from !== NEWEST
      ? 'There are no more pictures.'
      : searched
        ? 'No picture fits. Search for fewer words, or leave out an option.'
        : 'There are no pictures yet. Draw some with `/krona imagine`.';
  return { tone: 'info', title: 'Gallery', text: [text], audience: 'caller' };
}
