/** @file `/krona privacy`: what is kept about a member, all of it as a file, and its end. */
import { KronaError } from '../../core/errors.ts';
import type { MemberData } from '../../core/records.ts';
import { note } from './audit.ts';
import type { Card } from '../card.ts';
import { counted } from '../cards/format.ts';
import type { Actor, Command, CommandContext, Invocation } from '../contract.ts';

function counts({ subjects, photos, runs, sets, votes, entries }: MemberData): [string, number][] {
  return [
    ['photos you gave', photos.length],
    ['reactions on pictures, given and taken back', votes.length],
    ['subjects you began', subjects.length],
    ['trainings you asked for', runs.length],
    ['prompts you had drawn', sets.length],
    ['lines about you in the logs of channels', entries.length],
  ];
}

async function show({ member }: Invocation, { records }: CommandContext): Promise<Card> {
  const data = await records.memberData(member.id);
  return {
    tone: 'info',
    title: 'What is kept about you',
    text: [
      'Your name and id as this platform gives them, and what the table lists. Photos are kept without the data that ' +
        'cameras put into them. No message is kept or read that was not given to Krona.',
      '`/krona privacy export` gives you all of it as a file; `/krona privacy delete` deletes your photos and votes ' +
        'in every channel; `/krona delete` deletes a subject that you began.',
    ],
    table: { columns: ['what', 'how many'], rows: counts(data).map(([what, n]) => [what, String(n)]) },
    audience: 'caller',
  };
}

async function exportData({ member }: Invocation, { records, blobs }: CommandContext): Promise<Card> {
  const data = await records.memberData(member.id);
  const { id, platform, externalId, name } = member;
  const text = JSON.stringify({ member: { id, platform, externalId, name }, ...data }, null, 2);
  // No record names this file, so it is swept away after a day.
  const { hash: blobHash, size } = await blobs.put(Buffer.from(text));
  return {
    tone: 'info',
    title: 'Everything that is kept about you',
    text: ['The file is removed again within two days.'],
    files: [{ name: 'krona-my-data.json', blobHash, size }],
    audience: 'caller',
  };
}

async function askToDelete({ member }: Invocation, { records }: CommandContext): Promise<Card> {
  const { photos, votes } = await records.memberData(member.id);
  return {
    tone: 'warning',
    title: 'Delete your photos and votes?',
    text: [
      `${counted(photos.length, 'photo')} and ${counted(votes.length, 'reaction')}, in every channel. Adapters that ` +
        'were trained with your photos stay; who began the subject or a moderator can delete those.',
    ],
    buttons: [{ action: `erase:${member.id}`, label: 'Delete them for good', style: 'danger' }],
    audience: 'caller',
  };
}

/** @throws KronaError NOT_ALLOWED for anybody else's id */
export async function eraseOwn(id: string, actor: Actor, { records }: CommandContext): Promise<Card> {
  if (id !== actor.member.id)
    throw new KronaError('NOT_ALLOWED', 'This button is somebody else’s; use `/krona privacy delete`.');
  const { photos, votes } = await records.transaction(async (inside) => {
    const erased = await inside.eraseMember(id);
    await note(inside, actor, 'privacy', 'had own photos and votes deleted');
    return erased;
  });
  return {
    tone: 'success',
    title: 'Your photos and votes are deleted',
    text: [
      `${counted(photos, 'photo')} and ${counted(votes, 'reaction')}. The files themselves are gone within two days. ` +
        'Reactions that still stand under messages count no more; new ones do. Messages and files that you sent ' +
        'yourself stay in the chat until you delete them there.',
    ],
    audience: 'caller',
  };
}

const ACTIONS: Readonly<Record<string, Command['run']>> = { show, export: exportData, delete: askToDelete };

export const privacy: Command = {
  data: {
    name: 'privacy',
    description: 'What is kept about you; export or delete it',
    example: '/krona privacy show',
    options: [],
    actions: [
      { name: 'show', description: 'What is kept about you', options: [], openToBlocked: true },
      { name: 'export', description: 'All of it as a file', options: [], openToBlocked: true },
      { name: 'delete', description: 'Delete your photos and votes', options: [], openToBlocked: true },
    ],
  },
  run: (invocation, context) => ACTIONS[invocation.action]!(invocation, context),
};
