/** @file `/krona delete`: deletes a subject and everything that belongs to it, after a confirmation. */
import { KronaError } from '../../core/errors.ts';
import type { Subject } from '../../core/records.ts';
import type { Records } from '../../storage/records.ts';
import { note } from '../rules/audit.ts';
import type { Card } from '../card.ts';
import { counted } from '../../core/format.ts';
import { plain } from '../cards/format.ts';
import type { Actor, Command, CommandContext } from '../contract.ts';
import { channelQueue, workRecord } from '../work/channel-queue.ts';
import { textOption } from '../line/options.ts';
import { requireOwner } from '../rules/permission.ts';
import { completeSubject, requireSubject } from './subjects.ts';
import { stopWork } from '../work/work.ts';

function requireItsOwner(actor: Actor, subject: Subject): void {
  requireOwner(actor, [subject.ownerId], `delete ${subject.name}`, `the owner of ${subject.name}`);
}

/** The photos and adapters of a subject, for people. */
async function belongings(records: Records, subject: Subject): Promise<string> {
  const photos = await records.photos(subject.id);
  const adapters = (await records.adapters(subject.channelId)).filter(
    (each) => each.subjectId === subject.id,
  );
  return `${counted(photos.length, 'photo')} and ${counted(adapters.length, 'adapter')}`;
}

/**
 * Deletes a subject and everything that belongs to it. Delivery deletes its messages.
 *
 * @throws KronaError GONE, NOT_ALLOWED
 */
export async function forgetSubject(id: string, actor: Actor, context: CommandContext): Promise<Card> {
  const { records } = context;
  const subject = await records.subject(id);
  if (subject?.channelId !== actor.channel.id) throw new KronaError('GONE', 'This subject was deleted.');
  requireItsOwner(actor, subject);
  const what = await belongings(records, subject);
  const open = await channelQueue(records, subject.channelId);
  for (const work of open) {
    // Duels have no job, and go with the subject.
    if (work.kind === 'duel' || workRecord(work).subjectId !== id) continue;
    await stopWork(work, context).catch((error: unknown) => {
      // It has just ended.
      if (!(error instanceof KronaError && error.code === 'WORK_ENDED')) throw error;
    });
  }
  const by = subject.ownerId === actor.member.id ? 'its owner' : 'a moderator';
  await records.transaction(async (inside) => {
    await inside.deleteSubject(id, `Together with ${plain(subject.name)}, by ${by}.`);
    await note(inside, actor, 'delete', `${subject.name} with ${what}`);
  });
  return {
    tone: 'info',
    title: `${plain(subject.name)} is deleted`,
    text: [`Together with ${what} and all its pictures, by ${by}.`],
  };
}

export const deleteSubject: Command = {
  data: {
    name: 'delete',
    description: 'Delete a subject with its photos, adapters and pictures',
    example: '/krona delete mochi',
    options: [
      {
        name: 'subject',
        description: 'Subject to delete',
        type: 'text',
        required: true,
        complete: completeSubject,
      },
    ],
  },

  async run(invocation, { records }) {
    const subject = await requireSubject(records, invocation.channel, textOption(invocation, 'subject')!);
    requireItsOwner(invocation, subject);
    const name = plain(subject.name);
    return {
      tone: 'warning',
      title: `Delete ${name}?`,
      text: [
        `This deletes ${await belongings(records, subject)}, all trainings and pictures of ${name}, and their ` +
          'messages. You can’t undo it.',
      ],
      buttons: [{ action: `forget:${subject.id}`, label: `Delete ${name}`, style: 'danger' }],
      audience: 'caller',
    };
  },
};
