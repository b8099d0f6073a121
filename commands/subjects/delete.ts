/** @file `/krona delete`: everything of a subject, after a second thought. */
import { KronaError } from '../../core/errors.ts';
import type { Subject } from '../../core/records.ts';
import type { Records } from '../../storage/records.ts';
import { note } from '../rules/audit.ts';
import type { Card } from '../card.ts';
import { counted, plain } from '../cards/format.ts';
import type { Actor, Command, CommandContext } from '../contract.ts';
import { openWork, workRecord } from '../work/open-work.ts';
import { textOption } from '../line/options.ts';
import { requireOwner } from '../rules/permission.ts';
import { completeSubject, requireSubject } from './subjects.ts';
import { stopWork } from '../work/work.ts';

function requireItsOwner(actor: Actor, subject: Subject): void {
  requireOwner(actor, [subject.ownerId], `delete ${subject.name}`, `who began ${subject.name}`);
}

/** What goes with a subject, in words. */
async function belongings(records: Records, subject: Subject): Promise<string> {
  const photos = await records.photos(subject.id);
  const adapters = (await records.adapters(subject.channelId)).filter(
    (each) => each.subjectId === subject.id,
  );
  return `${counted(photos.length, 'photo')} and ${counted(adapters.length, 'adapter')}`;
}

/**
 * Deletes a subject with all that was made of it. Its messages are taken away by the delivery.
 *
 * @throws KronaError GONE, NOT_ALLOWED
 */
export async function forgetSubject(id: string, actor: Actor, context: CommandContext): Promise<Card> {
  const { records } = context;
  const subject = await records.subject(id);
  if (subject?.channelId !== actor.channel.id)
    throw new KronaError('GONE', 'This subject is not there any more; it was deleted.');
  requireItsOwner(actor, subject);
  const what = await belongings(records, subject);
  const open = await openWork(records, subject.channelId);
  for (const work of open.filter((each) => workRecord(each).subjectId === id))
    await stopWork(work, context).catch((error: unknown) => {
      // It ended by itself meanwhile.
      if (!(error instanceof KronaError && error.code === 'WORK_ENDED')) throw error;
    });
  const by = subject.ownerId === actor.member.id ? 'who began it' : 'a moderator';
  await records.transaction(async (inside) => {
    await inside.deleteSubject(id, `With all of ${plain(subject.name)}, by ${by}.`);
    await note(inside, actor, 'delete', `${subject.name} with ${what}`);
  });
  return {
    tone: 'info',
    title: `${plain(subject.name)} is deleted`,
    text: [`With ${what}, and all pictures of it. By ${by}.`],
  };
}

export const deleteSubject: Command = {
  data: {
    name: 'delete',
    description: 'Delete a subject: photos, adapters, pictures',
    example: '/krona delete mochi',
    options: [
      {
        name: 'subject',
        description: 'What to delete',
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
      title: `Delete everything of ${name}?`,
      text: [
        `${await belongings(records, subject)}, every training and every picture of it go, with the messages that show ` +
          'them, and cannot be brought back.',
      ],
      buttons: [{ action: `forget:${subject.id}`, label: `Delete ${name} for good`, style: 'danger' }],
      audience: 'caller',
    };
  },
};
