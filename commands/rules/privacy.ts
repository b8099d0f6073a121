/** @file `/krona privacy`: shows, exports and deletes a member's data. */
import { KronaError } from '../../core/errors.ts';
import type { Member, MemberData } from '../../core/records.ts';
import { note } from './audit.ts';
import type { Card } from '../card.ts';
import { counted } from '../../core/format.ts';
import type { Actor, Command, CommandContext, Invocation } from '../contract.ts';

/** Sets that begin with a picture that a member sent. */
const begunBy = ({ id }: Member, { sets }: MemberData) =>
  sets.filter(({ start }) => start?.blobHash && (start.memberId ?? id) === id);

function counts(member: Member, data: MemberData): [string, number][] {
  const { subjects, photos, runs, sets, styles, duels, duelVotes, votes, pulls, licences, entries } = data;
  return [
    ['photos you added', photos.length],
    ['reactions you added or removed', votes.length],
    ['of these in duels', duelVotes.length],
    ['subjects you own', subjects.length],
    ['trainings, refinements and sweeps you requested', runs.length],
    ['sets of pictures you requested, samples included', sets.length],
    ['styles you saved', styles.length],
    ['pictures you began sets with', begunBy(member, data).length],
    ['duels you requested', duels.length],
    ['models you downloaded, licences you accepted', pulls.length + licences.length],
    ['log entries about you', entries.length],
  ];
}

async function show({ member }: Invocation, { records }: CommandContext): Promise<Card> {
  const data = await records.memberData(member.id);
  return {
    tone: 'info',
    title: 'Your data',
    text: [
      'Krona stores your name and id on this platform, and the data in this table. Photos are stored without camera ' +
        'metadata. Krona reads and stores only messages that are meant for it.',
      '`/krona privacy export` gives you all of it as a file. `/krona privacy delete` deletes your photos and votes ' +
        'in every channel. `/krona delete` deletes a subject that you own.',
    ],
    table: { columns: ['what', 'number'], rows: counts(member, data).map(([what, n]) => [what, String(n)]) },
    audience: 'caller',
  };
}

/** The log's words for an export. */
const EXPORTED = 'exported their data';
/** Exports of a member in a day: each is a file that no quota counts. */
const MOST_EXPORTS = 5;
const DAY = 24 * 3600_000;

async function exportData(invocation: Invocation, { records, blobs }: CommandContext): Promise<Card> {
  const { member } = invocation;
  const data = await records.memberData(member.id);
  const recent = data.entries.filter(
    ({ details, at }) => details === EXPORTED && at.getTime() > Date.now() - DAY,
  );
  if (recent.length >= MOST_EXPORTS)
    throw new KronaError(
      'EXPORT_QUOTA',
      `You exported your data ${recent.length} times in 24 hours. Use the last file, or export again tomorrow.`,
    );
  await note(records, invocation, 'privacy', EXPORTED);
  const { id, platform, externalId, name } = member;
  const text = JSON.stringify({ member: { id, platform, externalId, name }, ...data }, null, 2);
  // No record refers to this file, so the daily sweep deletes it after a day.
  const { hash: blobHash, size } = await blobs.put(Buffer.from(text));
  return {
    tone: 'info',
    title: 'All your data',
    text: ['The file is deleted within two days.'],
    files: [{ name: 'krona-my-data.json', blobHash, size }],
    audience: 'caller',
  };
}

async function askToDelete({ member }: Invocation, { records }: CommandContext): Promise<Card> {
  const data = await records.memberData(member.id);
  const { photos, votes } = data;
  const begun = begunBy(member, data);
  return {
    tone: 'warning',
    title: 'Delete your photos and votes?',
    text: [
      `${counted(photos.length + begun.length, 'photo')} and ${counted(votes.length, 'reaction')}, in every channel. Adapters ` +
        'trained with your photos stay; the owner of the subject or a moderator can delete those.',
    ],
    buttons: [{ action: `erase:${member.id}`, label: 'Delete forever', style: 'danger' }],
    audience: 'caller',
  };
}

/** @throws KronaError NOT_ALLOWED for anybody else's id */
export async function eraseOwn(id: string, actor: Actor, { records }: CommandContext): Promise<Card> {
  if (id !== actor.member.id)
    throw new KronaError('NOT_ALLOWED', 'This button is for another member. Use `/krona privacy delete`.');
  const { photos, votes } = await records.transaction(async (inside) => {
    const erased = await inside.eraseMember(id);
    await note(inside, actor, 'privacy', 'deleted their photos and votes');
    return erased;
  });
  return {
    tone: 'success',
    title: 'Your photos and votes are deleted',
    text: [
      `${counted(photos, 'photo')} and ${counted(votes, 'reaction')}. The files are deleted within two days. ` +
        'Old reactions that still stand under messages don’t count any more; new ones do. Messages and files that you ' +
        'sent stay in the chat until you delete them there.',
    ],
    audience: 'caller',
  };
}

const ACTIONS: Readonly<Record<string, Command['run']>> = { show, export: exportData, delete: askToDelete };

export const privacy: Command = {
  data: {
    name: 'privacy',
    direct: true,
    description: 'Show, export or delete your data',
    example: '/krona privacy show',
    options: [],
    actions: [
      { name: 'show', description: 'Show what Krona stores about you', options: [], openToBlocked: true },
      { name: 'export', description: 'Get all your data as a file', options: [], openToBlocked: true },
      { name: 'delete', description: 'Delete your photos and votes', options: [], openToBlocked: true },
    ],
  },
  run: (invocation, context) => ACTIONS[invocation.action]!(invocation, context),
};
